"""`python -m singleshot`: the same as the command `singleshot`."""

import sys

from singleshot.command.main import main

if __name__ == "__main__":
    sys.exit(main())
