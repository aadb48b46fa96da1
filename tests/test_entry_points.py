"""Each command that needs a package which is not installed says in one sentence what to install."""

import re
from pathlib import Path

import pytest

from tests.without_packages import ROOT, run_without

MORE_THAN_SERVING = (  # the modules of the extras that `make serve` does not install
    *("aiohttp", "cuda", "fsspec", "google", "httpx", "matplotlib", "nncf", "onnx", "onnxscript", "opentelemetry"),
    *("psutil", "pycocotools", "tensorrt", "tensorrt_rtx", "torch", "yaml"),
)
BUNDLE = "service/bundles/bccd-passd-320"
COMMANDS = {  # what to run to get to the imports, for each module with a command that needs more than serving
    "comparison": "--images service/bundles/bccd-passd-320",
    "comparison.client_cost": "",
    "comparison.goodput": "--images service/bundles/bccd-passd-320",
    "comparison.gpu": "",
    "comparison.hostile": "stall",
    "comparison.mosaic": "--data D",
    "comparison.overload": "--images service/bundles/bccd-passd-320",
    "comparison.scaling": "--images service/bundles/bccd-passd-320",
    "deploy.manifests": "",
    "export": f"evaluate {BUNDLE} --data D",
    "export.benchmark_engines": "",
    "models": "presets",
    "service.rpc.messages": "",
    "singleshot": "train passd-320-mobilenet --data D --out O",
}
NEED_NO_MORE = {
    *("comparison.batch_loop", "comparison.sleeping_server"),
    *("service", "service.benchmark", "service.detect", "service.fetch"),
}
STARTED_BY_OTHERS = ("comparison.gpu.child", "comparison.gpu.server_load", "comparison.gpu.steps", "comparison.servers")
BUILDER = "export.engine_builder"  # a process of `python -m export engine`


def modules_with_a_command() -> set[str]:
    """The modules that people start with `python -m`."""
    found = set()
    for package in ("comparison", "deploy/manifests", "export", "models", "service", "singleshot"):
        for path in (ROOT / package).rglob("*.py"):
            module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            if path.name == "__main__.py" or 'if __name__ == "__main__"' in path.read_text():
                found.add(module.removesuffix(".__main__"))
    return {module for module in found if not module.startswith(STARTED_BY_OTHERS)} - {BUILDER, "comparison.run"}


def test_every_command_is_listed_here() -> None:
    assert modules_with_a_command() == COMMANDS.keys() | NEED_NO_MORE


@pytest.mark.parametrize("module", COMMANDS)
def test_command_without_its_packages_names_the_remedy_in_one_sentence(module: str, tmp_path: Path) -> None:
    done = run_without(MORE_THAN_SERVING, tmp_path, "-m", module, *COMMANDS[module].split())
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"\w+ is not installed; run `make develop`( and use \.venv/bin/python)?(, or `pip install '\.\[\w+\]'`)+\n",
        done.stderr,
    )


def test_building_an_engine_without_onnx_names_the_extras_that_have_it(tmp_path: Path) -> None:
    done = run_without(["onnx"], tmp_path, "-m", "export", "engine", BUNDLE)
    assert done.returncode == 1
    assert re.fullmatch(r"onnx is not installed; run `make develop`.*'\.\[train\]'.*\n", done.stderr)


SCRIPTS = [*(path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*.py")), "docker/check_grafana.py"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_without_its_packages_says_what_to_install(script: str, tmp_path: Path) -> None:
    done = run_without(["httpx", "promql_parser", "ray", "tritonclient"], tmp_path, script, "A", "B")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r".*(not installed; run `|needs httpx: )pip install .*\n", done.stderr)


@pytest.mark.parametrize(
    ("command", "hidden"),
    [
        ("-m service.detect service/bundles/bccd-passd-320/blood-cells-1.jpg", "onnxruntime openvino"),
        ("-m service.fetch s3://models/cards --out OUT", "fsspec"),
        ("-m comparison.batch_loop --images service/bundles/bccd-passd-320", "onnxruntime openvino"),
        ("-m comparison --images service/bundles/bccd-passd-320", "onnxruntime openvino"),
        (f"-m export engine {BUNDLE} --target sm_89", "tensorrt tensorrt_rtx"),
    ],
)
def test_command_without_an_engine_says_what_to_install(command: str, hidden: str, tmp_path: Path) -> None:
    done = run_without(hidden.split(), tmp_path, *command.replace("OUT", str(tmp_path / "cards")).split())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"(not installed|a package is missing).*; install it with `pip install '?\.\[\w+\]", done.stderr)


@pytest.mark.parametrize("module", ["export", "models", "service.detect", "singleshot"])
def test_help_needs_no_more_than_serving(module: str, tmp_path: Path) -> None:
    done = run_without(MORE_THAN_SERVING, tmp_path, "-m", module, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_a_python_without_any_package_is_told_to_make_an_environment(tmp_path: Path) -> None:
    done = run_without(["fastapi", "numpy", "pydantic"], tmp_path, "-m", "service")
    assert done.returncode == 1
    assert re.fullmatch(
        r"\w+ is not installed; run `make serve`( and use .*)?, or `pip install '\.\[cpu\]'`\n", done.stderr
    )
