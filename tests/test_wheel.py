"""The wheel: it holds every module and all package data, and it serves without the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.bundle import read_bundle
from tests.service.server_process import port_of, wait_for_event

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "export", "service", "singleshot")
PROJECT_FILES = ("pyproject.toml", "README.md", "LICENSE")
PACKAGE_DATA = (
    "service/bundles/*/*",
    "service/page/*",
    "service/page/*/*",
    "service/reference/*",
    "service/reference/swagger-ui/*",
    "service/engines/tensorrt/offset_conv.cu",
    "service/rpc/*.binpb",
    "service/rpc/*.proto",
    "singleshot/py.typed",  # type checkers of the client's users read its types
)
SECONDS = 60


@dataclass(frozen=True)
class Installation:
    """A virtual environment with this project from its wheel; the dependencies are those of this environment."""

    python: Path
    site_packages: Path


def environment() -> dict[str, str]:
    """The environment of this process, without the variables that would lead to the checkout or to another bundle."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME") and not name.startswith("SINGLESHOT_")
    }


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command in the folder `cwd` -> its standard output."""
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(*arguments: str | Path) -> None:
    """Run the pip of this environment without the network; the copy of setuptools beside it builds."""
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, "--no-deps", "--no-index", cwd=ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools would add what an earlier build left in the checkout's `build/`."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, tree)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", "--no-build-isolation", "--wheel-dir", out, tree)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("installation")
    builder = venv.EnvBuilder(symlinks=os.name != "nt")
    builder.create(folder)
    python = Path(builder.ensure_directories(folder).env_exe)
    pip("--python", python, "install", "--no-compile", wheel)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site_packages = Path(run(python, "-c", code, cwd=folder).strip())
    # Python adds these folders to sys.path but ignores the .pth files in them, so the editable installation stays out
    (site_packages / "dependencies.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path))
    return Installation(python, site_packages)


def files(*patterns: str) -> set[str]:
    """The files of the checkout that match, as paths from its root; hidden files, as of editors, do not count."""
    paths = (path for pattern in patterns for path in ROOT.glob(pattern))
    return {path.relative_to(ROOT).as_posix() for path in paths if path.is_file() and not path.name.startswith(".")}


def test_wheel_holds_every_module_and_all_package_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = files(*(f"{package}/**/*.py" for package in PACKAGES))
    assert {"service/__init__.py", "models/passd/__init__.py", "export/__init__.py"} <= modules
    for pattern in PACKAGE_DATA:
        assert files(pattern), f"no file matches {pattern}"
    assert names == modules | files(*PACKAGE_DATA)


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_packages_are_imported_from_the_wheel(installation: Installation, tmp_path: Path) -> None:
    code = f"import importlib; print(*(importlib.import_module(name).__file__ for name in {PACKAGES}), sep='\\n')"
    imported = run(installation.python, "-c", code, cwd=tmp_path).split()
    assert imported == [str(installation.site_packages / package / "__init__.py") for package in PACKAGES]


def test_the_extras_are_those_of_the_installed_package(installation: Installation, tmp_path: Path) -> None:
    code = "from service.extras import remedy_for; print(remedy_for('torch'), remedy_for('numpy'), remedy_for('nncf'))"
    printed = run(installation.python, "-c", code, cwd=tmp_path)
    assert printed == "`pip install '.[train]'` `pip install '.[cpu]'` `pip install '.[int8]'`\n"


@pytest.fixture
def address(installation: Installation, tmp_path: Path) -> Iterator[str]:
    """The address of a server that runs from the wheel, outside of the checkout; its settings make the start short."""
    program = installation.python.with_name("singleshot")
    command: list[str | Path] = [program, "serve", "--port", "0", "--engine", "onnx"]
    settings = {**environment(), "SINGLESHOT_MAX_BATCH": "1", "SINGLESHOT_ENGINE_STREAMS": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield f"http://127.0.0.1:{port_of(wait_for_event(process, 'ready'))}"
        finally:
            process.kill()


def test_server_from_the_wheel_detects_and_shows_its_page(installation: Installation, address: str) -> None:
    bundle = read_bundle(installation.site_packages / "service" / "bundles" / "bccd-passd-320")
    request = urllib.request.Request(f"{address}/detect", bundle.golden_path.read_bytes())
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        answer = json.load(response)
    assert answer["model"] == bundle.manifest.name
    labels = [detection["label"] for detection in answer["results"][0]["detections"]]
    assert labels
    assert set(labels) <= set(bundle.manifest.classes)

    with urllib.request.urlopen(f"{address}/", timeout=SECONDS) as response:
        page = response.read().decode()
    scripts = re.findall(r'src="/?(page/[^"]+\.js)"', page)
    assert scripts
    for script in scripts:
        with urllib.request.urlopen(f"{address}/{script}", timeout=SECONDS) as response:
            assert response.read() == (ROOT / "service" / script).read_bytes()
