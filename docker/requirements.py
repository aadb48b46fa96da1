"""Print the requirements in pyproject.toml for pip: the dependencies and the named extras, without the named packages.

The servers' images install these without the project itself, so that a change of the code does not rebuild that layer.

example:
  python docker/requirements.py --extra cpu --without onnxruntime
"""

import argparse
import re
import tomllib
from pathlib import Path

PYPROJECT = Path("pyproject.toml")


def main() -> None:
    """Print one requirement a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml (default: none)")
    parser.add_argument("--without", action="append", default=[], help="a package to leave out (default: none)")
    arguments = parser.parse_args()
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    extras = project["optional-dependencies"]
    if unknown := set(arguments.extra) - extras.keys():
        parser.error(f"pyproject.toml has no extra {', '.join(sorted(unknown))}; it has {', '.join(extras)}")
    requirements = [*project["dependencies"], *(line for extra in arguments.extra for line in extras[extra])]
    print(*(line for line in requirements if name_of(line) not in arguments.without), sep="\n")


def name_of(requirement: str) -> str:
    """The package that a requirement names, e.g. `onnxruntime` in `onnxruntime>=1.20,<2`."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


if __name__ == "__main__":
    main()
