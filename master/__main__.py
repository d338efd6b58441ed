"""`wherry-master` and `python -m master`."""

import sys

from master.cli import main

if __name__ == "__main__":
    sys.exit(main())
