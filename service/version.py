"""The option --version of the commands."""

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from service import __version__

LIBRARIES = ("openvino", "onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx", "torch")  # that run models


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add --version, which prints the version of Singleshot, of Python and of the libraries that run models."""
    absent = argparse.SUPPRESS
    parser.add_argument(
        "--version", action=ShowVersion, nargs=0, dest=absent, default=absent, help="show the versions and exit"
    )


class ShowVersion(argparse.Action):
    """Prints `versions()` and ends the process."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Called if the option is given."""
        print(versions())
        parser.exit()


def versions() -> str:
    """The versions in one line, e.g. `singleshot 0.1.0 (Python 3.11.7, openvino 2026.1.0)`."""
    return f"singleshot {__version__} ({', '.join([f'Python {platform.python_version()}', *installed()])})"


def installed() -> list[str]:
    """The installed ones of LIBRARIES with their versions, without importing them."""
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
