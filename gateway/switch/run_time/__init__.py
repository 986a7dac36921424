"""What is set while the gateway runs: by people, and by the gateway itself."""
