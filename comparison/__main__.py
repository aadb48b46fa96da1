"""`python -m comparison`."""

import signal
import sys

from comparison.run import main

signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: no server stays behind, paused
sys.exit(main())
