"""The connection and the process: sockets, signals, draining."""
