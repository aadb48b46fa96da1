"""A missing package becomes a sentence; a bug keeps its traceback."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.extras import ROOT, TARGETS, declared, remedy_for
from service.missing_packages import OWN_PACKAGES, explanation

OTHERS_ENVIRONMENT = "comparison/servers"  # `python -m comparison` makes an environment for each of these servers
OPTIONAL = {"pandas", "supervision", "torchvision"}  # used if they are there


def imported_packages(folder: str) -> dict[str, str]:
    """The packages of others that the modules in a folder import, each with one of these modules."""
    found: dict[str, str] = {}
    for path in (ROOT / folder).rglob("*.py"):
        if path.is_relative_to(ROOT / OTHERS_ENVIRONMENT):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(node.module or "")
            found |= {name.partition(".")[0]: str(path) for name in names}
    known = sys.stdlib_module_names | {*OWN_PACKAGES, "tests"} | OPTIONAL
    return {name: path for name, path in found.items() if name not in known}


@pytest.mark.parametrize("folder", OWN_PACKAGES)
def test_every_package_that_is_imported_has_a_remedy(folder: str) -> None:
    assert {name: path for name, path in imported_packages(folder).items() if remedy_for(name) is None} == {}


def test_make_installs_the_extras_of_which_it_is_the_remedy() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for extra, target in TARGETS.items():
        (environment,) = re.findall(rf"^{target}: (\.venv/\w+)", makefile, re.MULTILINE)
        (extras,) = re.findall(
            rf"^{re.escape(environment)}:.*\n(?:\t.*\n)*?\t.*--editable '\.\[(.*)\]'", makefile, re.MULTILINE
        )
        assert extra in extras.split(",")


def test_an_absent_module_of_a_package_that_is_there_is_a_bug() -> None:
    for name in ("service.nothing", "models.passd.nothing", "numpy.nothing", "service"):
        assert explanation(ModuleNotFoundError(name=name)) is None


def test_an_absent_package_for_which_the_project_does_not_ask_is_a_bug() -> None:
    assert explanation(ModuleNotFoundError(name="nothing_of_that_name")) is None
    assert explanation(ModuleNotFoundError("raised by somebody")) is None


def test_a_bug_keeps_its_traceback() -> None:
    code = "from service.missing_packages import explain_missing_packages as e; e(); import service.nothing"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'service.nothing'\n")


def test_importing_the_packages_leaves_the_hook_of_the_program_alone() -> None:
    code = "import sys, export, models, service, singleshot; assert sys.excepthook is sys.__excepthook__"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_part_of_the_repository_that_is_not_installed_is_named(tmp_path: Path) -> None:
    code = "from service.missing_packages import explanation as e; print(e(ModuleNotFoundError(name='comparison')))"
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    (tmp_path / "service").symlink_to(ROOT / "service")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", path + code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("this installation has no comparison/;")


def test_the_extras_are_read_from_the_project() -> None:
    assert {("torch", "train"), ("openvino", "cpu"), ("fastapi", "cpu"), ("nncf", "int8")} <= {*declared()}
