"""Data sets as checked values, and where they come from."""
