"""What the README, the documents, the Makefile and the hooks promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("package", ["models", "export", "service"])
def test_every_command_explains_itself_with_an_example(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", package, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    usage, _, explanation = done.stdout.partition("\n\n")
    assert f"python -m {package}" in usage
    assert f"python -m {package} " in explanation


def test_server_runs_without_torch_and_onnx() -> None:
    code = "import sys, service.__main__, service.api.app; assert not {'torch', 'onnx'} & set(sys.modules), 'imported'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_hooks_before_a_commit_run_what_make_check_runs() -> None:
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    checks = [line.strip().removeprefix("$(BIN)/").removesuffix(" .") for line in recipe.splitlines()]
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [
        hook["entry"].removeprefix(".venv/bin/")
        for repository in configuration["repos"]
        for hook in repository["hooks"]
    ]
    assert hooks == checks
