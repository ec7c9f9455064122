"""`zeren`, also `python -m zeren`: the command line."""

import sys

from zeren.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
