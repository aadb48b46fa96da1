"""What the verb engine of `python -m export` does. It needs onnx and TensorRT, and no torch: servers run it, too."""

import argparse
import os
import signal
import sys

from export.errors import ExportError
from export.to_engine import build_engine
from service.bundle import BundleError
from service.command_names import named

ERRORS = BundleError, ExportError, OSError
BACKGROUND_PRIORITY = 10  # added to the process's niceness: serving goes first


def run_engine(options: argparse.Namespace) -> None:
    """Build an engine and print what was built; raises ERRORS."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that no scratch file stays behind
    if options.background:
        os.nice(BACKGROUND_PRIORITY)
    built = build_engine(
        options.bundle,
        target=options.target,
        precision=options.precision,
        max_batch=options.max_batch,
        flavour=options.flavour,
        cache=options.cache,
        reports_progress=options.background,
    )
    print(built)
    if options.cache is None:
        print(f"serve it on that GPU with: {named('python -m service')} --bundle {options.bundle} --engine tensorrt")
