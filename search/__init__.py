"""Spaces, trials, plans, the trial log and the command line."""
