"""`python -m comparison`."""

import sys

from comparison.run import main

sys.exit(main())
