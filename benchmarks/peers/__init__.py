"""The same trials by other tools, one module for each; see peers.py beside this folder."""
