"""The switch, over real sockets."""
