"""Room: sweep."""
