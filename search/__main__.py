"""``python -m search run --grid full``: the commands under one name; see `search.commands`."""

import sys

from search.commands import main

if __name__ == "__main__":
    sys.exit(main())
