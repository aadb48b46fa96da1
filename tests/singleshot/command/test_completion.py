"""What a shell gets from the command after a TAB."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def completions(line: str, folder: Path) -> set[str]:
    """The words that the command offers at the end of a line, asked as argcomplete's code in the shells does."""
    answer = folder / "answer"
    shell = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    command = [sys.executable, "-m", "singleshot"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **shell}, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return {word.strip() for word in answer.read_text().split("\v")}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("singleshot e", {"evaluate", "export"}),
        ("singleshot completion ", {"bash", "zsh", "fish"}),
        ("singleshot serve --engine o", {"openvino", "onnx", "onnx-cuda"}),
        ("singleshot detect --format c", {"coco", "csv"}),
        ("singleshot fetch s3://a/b --o", {"--out"}),
        ("singleshot train p --device cuda --ini", {"--init", "--init-from"}),
        ("singleshot analyse m", {"matching"}),
        ("singleshot export b", {"build"}),
        ("singleshot export build c --sc", {"--score-threshold"}),
        ("singleshot evaluate best.pt --f", {"--flip"}),
        ("singleshot evaluate bundles/mine --pr", {"--precision"}),
    ],
)
def test_the_words_that_may_follow_are_offered(line: str, offered: set[str], tmp_path: Path) -> None:
    assert completions(line, tmp_path) - {"-h", "--help"} == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_code_for_a_shell_asks_the_command(shell: str) -> None:
    command = [sys.executable, "-m", "singleshot", "completion", shell]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "_ARGCOMPLETE" in done.stdout
    assert "singleshot" in done.stdout


def test_bash_completes_with_the_code(tmp_path: Path) -> None:
    program = tmp_path / "singleshot"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m singleshot "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(singleshot completion bash)"; COMP_LINE="singleshot tr" COMP_POINT=13 COMP_TYPE=9; '
        'COMP_WORDS=(singleshot tr) COMP_CWORD=1; _python_argcomplete singleshot; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "train"
