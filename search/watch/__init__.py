"""Room: watch."""
