"""What to install for a module of another package: the extras that Singleshot declares, and the commands for them."""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

ROOT = Path(__file__).parents[1]  # of a checkout, or site-packages
SCHEMAS = "deploy/requirements.txt"
SMALLEST = "cpu"  # the extra to install for a package that everything needs
TARGETS = {"cpu": "serve", "train": "develop", "engine": "develop", "dev": "develop"}
DISTRIBUTIONS = {  # of the modules that have another name
    "PIL": "pillow",
    "cloudcoil": "cloudcoil-models-keda",
    "cuda": "cuda-bindings",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "grpc": "grpcio",
    "grpc_tools": "grpcio-tools",
    "opentelemetry": "opentelemetry-sdk",
    "yaml": "pyyaml",
    # these come with another one
    "jsonschema": "kubernetes-validate",
    "llvmlite": "numba",
    "pydantic_core": "pydantic",
    "referencing": "kubernetes-validate",
    "starlette": "fastapi",
}


def remedy_for(module: str) -> str | None:
    """The commands that install the package of a module; None if Singleshot does not ask for it."""
    name = DISTRIBUTIONS.get(module, normal(module))
    extras = [extra for distribution, extra in declared() if distribution == name]
    if not extras:
        return f"`pip install -r {SCHEMAS}`" if name in names_in(ROOT / SCHEMAS) else None
    extras = sorted([extra for extra in extras if extra != "dev"] or extras, key=lambda extra: extra not in TARGETS)
    commands = [f"`pip install '.[{extra}]'`" for extra in extras]
    if (ROOT / "Makefile").is_file() and extras[0] in TARGETS:
        is_used = Path(sys.prefix).resolve() == (ROOT / ".venv").resolve()
        commands.insert(0, f"`make {TARGETS[extras[0]]}`{'' if is_used else ' and use .venv/bin/python'}")
    return ", or ".join(commands)


def declared() -> list[tuple[str, str]]:
    """The distributions that this checkout, or else the installed package, asks for, each with its extra."""
    if (ROOT / "pyproject.toml").is_file():
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        groups = [(SMALLEST, project["dependencies"]), *project["optional-dependencies"].items()]
        return [(distribution_of(line), extra) for extra, lines in groups for line in lines]
    try:
        lines = requires("singleshot") or []
    except PackageNotFoundError:  # an image holds the packages' files only
        return []
    extra_of = re.compile(r"extra == [\"']([\w-]+)[\"']")
    return [(distribution_of(line), found[1] if (found := extra_of.search(line)) else SMALLEST) for line in lines]


def names_in(path: Path) -> list[str]:
    """The distributions that a file of requirements lists; none if it is not there."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return [distribution_of(line) for line in lines if line and not line.startswith("#")]


def distribution_of(requirement: str) -> str:
    """The distribution that a requirement names, e.g. `onnxruntime` in `onnxruntime>=1.20,<2`."""
    return normal(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])


def normal(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
