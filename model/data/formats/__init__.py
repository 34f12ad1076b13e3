"""Readers: a file for each format, and what they share. `sources` asks them in turn."""
