"""Where work runs: executors, from one process to a Ray cluster."""
