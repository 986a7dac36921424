"""What is told of exchanges: logs, metrics, traces. None of it may fail a request."""
