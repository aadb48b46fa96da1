"""The README from top to bottom, in a fresh clone: `python -m tests.readme`.

It clones the last commit, runs each command of the README that can be run, `make serve` and `make develop` included,
compares the answers, and prints how long each took and how long it is from the clone to the first boxes. It takes some
minutes and downloads what a newcomer downloads; PIP_FLAGS goes to pip. tests/test_readme.py is the quick part of it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.readme.blocks import blocks_of
from tests.readme.newcomer import ROOT, write_data_set, write_foreign_detector
from tests.readme.session import Session
from tests.readme.substitutes import PORTS, PRECISION, SHORT_TRAINING

FIRST_BOXES = "curl --data-binary"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.readme", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--folder", type=Path, help="keep the clone in this new folder (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        walk_through(options.folder or Path(temporary) / "singleshot")


def walk_through(clone: Path) -> None:
    start = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(clone)], check=True)
    print(f"{time.monotonic() - start:7.1f} s  git clone", flush=True)
    write_data_set(clone / "MINE")
    write_foreign_detector(clone)
    flags = {"MAKEFLAGS": f"PIP_FLAGS={json.dumps(os.environ['PIP_FLAGS'])}"} if os.environ.get("PIP_FLAGS") else {}
    substitutes = {"make serve": "make serve PORT=0", **PORTS, **SHORT_TRAINING}
    session = Session(clone, clone / ".venv" / "bin", substitutes, {**PRECISION, **flags})
    for command, seconds in session.run(blocks_of(clone / "README.md"), long=True):
        print(f"{seconds:7.1f} s  {command}", flush=True)
        if command.startswith(FIRST_BOXES):
            print(f"{time.monotonic() - start:7.1f} s  from the clone to the first boxes", flush=True)
    print("the README works from top to bottom", file=sys.stderr)


if __name__ == "__main__":
    main()
