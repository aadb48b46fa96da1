"""Python processes in which packages are missing that are installed here."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITECUSTOMIZE = '''
"""Python runs this file at its start. It hides packages from each finder of modules."""

import sys

HIDDEN = {hidden!r}


class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
'''


def run_without(hidden: Sequence[str], folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run `python COMMAND...` in the root of the checkout, where the `hidden` packages cannot be imported."""
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE.format(hidden=tuple(hidden)))
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
