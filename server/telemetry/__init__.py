"""What the operator sees of a running process: figures, traces, the log."""
