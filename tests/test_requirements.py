"""The extras of pyproject.toml: one with ONNX Runtime for the CPU, one with it for GPUs, and never both at once."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
CPU, GPU = "onnxruntime", "onnxruntime-gpu"
COMMANDS = (
    ROOT / "Makefile",
    ROOT / "CONTRIBUTING.md",
    ROOT / "README.md",
    ROOT / "docker-compose.yml",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docker").glob("*")),
    *sorted(path for package in ("export", "service") for path in (ROOT / package).rglob("*.py")),
)


def packages(requirements: list[str]) -> dict[str, Requirement]:
    return {requirement.name: requirement for requirement in map(Requirement, requirements)}


def runtimes(extras: list[str]) -> set[str]:
    """Which of the two packages the base dependencies and these extras install."""
    requirements = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return {CPU, GPU} & packages(requirements).keys()


def combinations() -> list[list[str]]:
    """The extras that each `pip install .[…]` and each call of docker/requirements.py in the project name."""
    found = []
    for text in (path.read_text() for path in COMMANDS if path.is_file()):
        found += [names.split(",") for names in re.findall(r"\.\[([a-z][\w,]*)\]", text)]
        # TENSORRT is the build's argument: which TensorRT the image gets
        for line in re.findall(r"docker/requirements\.py (.*--extra.*)", text.replace("$TENSORRT", "tensorrt")):
            found.append(re.findall(r"--extra (\w+)", line))
    return found


def test_only_the_extras_cpu_and_gpu_bring_an_onnx_runtime() -> None:
    assert runtimes([]) == set()
    assert {extra: runtimes([extra]) for extra in EXTRAS} == {
        extra: {"cpu": {CPU}, "gpu": {GPU}}.get(extra, set()) for extra in EXTRAS
    }


def test_the_gpu_s_onnx_runtime_brings_its_libraries() -> None:
    """1.28 is the first version whose libraries of CUDA 13 can be installed."""
    requirement = packages(EXTRAS["gpu"])[GPU]
    assert requirement.extras == {"cuda", "cudnn"}
    assert not requirement.specifier.contains("1.27.0")
    assert requirement.specifier.contains("1.28.0")


@pytest.mark.parametrize("extras", sorted({tuple(found) for found in combinations()}), ids=",".join)
def test_no_command_of_the_project_installs_both(extras: tuple[str, ...]) -> None:
    assert set(extras) <= EXTRAS.keys()
    assert len(runtimes(list(extras))) <= 1


def test_the_commands_of_the_project_are_found() -> None:
    found = combinations()
    assert ["cpu", "train", "engine", "dev"] in found
    assert ["gpu", "tensorrt", "trace", "remote"] in found
    assert ["gpu", "tensorrt"] in found


def test_both_are_pinned_to_versions_that_the_extras_allow() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = packages([line for line in lines if not line.startswith("#")])
    for extra, name in (("cpu", CPU), ("gpu", GPU)):
        (pin,) = pinned[name].specifier
        assert packages(EXTRAS[extra])[name].specifier.contains(pin.version)


@pytest.mark.parametrize(
    ("options", "installed"),
    [
        (["--extra", "cpu"], {CPU}),
        (["--extra", "cpu", "--without", CPU], set()),
        (["--extra", "gpu", "--extra", "trace", "--without", CPU], {GPU}),
    ],
)
def test_the_images_get_what_the_extras_name(options: list[str], installed: set[str]) -> None:
    command = [sys.executable, "docker/requirements.py", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert {CPU, GPU} & packages(done.stdout.splitlines()).keys() == installed
