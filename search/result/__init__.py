"""Room: result."""
