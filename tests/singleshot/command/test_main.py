"""The command in a process of its own: what it prints, and what it imports for that."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from export.__main__ import main as export_main
from models.__main__ import main as models_main
from service import __version__, command_names
from singleshot.command.verbs import VERBS

ROOT = Path(__file__).parents[3]
HEAVY = {"cv2", "fastapi", "numba", "numpy", "onnxruntime", "openvino", "pydantic", "torch"}
WITH_IMPORTS = f"""
import sys
from singleshot.command.main import main

status = main()
print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
sys.exit(status)
"""
INTERRUPTING = '''
"""Python runs this file at its start. It interrupts the process when a module is imported."""

import os
import signal
import sys


class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.{signal})


sys.meta_path.insert(0, Interrupting())
'''


def singleshot(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m singleshot ARGUMENTS...` in the root of the checkout."""
    command = [sys.executable, "-m", "singleshot", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def test_help_lists_each_verb_with_a_line() -> None:
    done = singleshot("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = re.findall(r"^  (\w+)  +\w.*$", done.stdout.partition("options:")[0], re.MULTILINE)
    assert listed == [*VERBS, "completion"]
    assert max(len(line) for line in done.stdout.splitlines()) <= 120


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["tran"], [], ["completion", "bash"]])
def test_what_the_command_says_itself_imports_nothing_heavy(arguments: list[str]) -> None:
    command = [sys.executable, "-c", WITH_IMPORTS, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == ""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"]])
def test_a_reader_of_the_output_that_has_ended_is_no_traceback(arguments: list[str], unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "singleshot", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_version_names_the_libraries_that_run_models() -> None:
    done = singleshot("--version")
    assert done.returncode == 0
    assert re.fullmatch(rf"singleshot {re.escape(__version__)} \(Python \S+(, [a-z-]+ \S+)*\)\n", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("trian x", "'trian' is no verb; did you mean `singleshot train`? `singleshot --help` lists the verbs"),
        (
            "quantise b",
            "'quantise' is no verb; did you mean `singleshot export quantize`?",
        ),
        ("comparison", "'comparison' is no verb; did you mean `python -m comparison`?"),
        ("zzz", "'zzz' is no verb. `singleshot --help` lists the verbs"),
        ("--port 80", "the verb comes first, as in `singleshot serve --port`; `singleshot --help` lists the verbs"),
        ("", "a verb is missing, such as `singleshot serve`; `singleshot --help` lists the verbs"),
        ("completion", "completion is followed by the name of a shell: bash, zsh, fish"),
        ("completion csh", "completion is followed by the name of a shell: bash, zsh, fish"),
    ],
)
def test_a_wrong_verb_is_one_sentence_and_status_2(arguments: str, error: str) -> None:
    done = singleshot(*arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"singleshot: {error}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_names_the_command_and_no_module(verb: str) -> None:
    done = singleshot(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: singleshot {verb} ")
    assert "python -m" not in done.stdout


def test_help_of_evaluate_is_about_checkpoints_and_about_bundles() -> None:
    help_ = singleshot("evaluate", "--help").stdout
    assert re.findall(r"^usage: singleshot evaluate ", help_, re.MULTILINE) == 2 * ["usage: singleshot evaluate "]
    assert "--flip" in help_
    assert "--precision" in help_


def test_errors_of_a_verb_name_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_names, "uses_verbs", True)
    assert export_main(["evaluate", str(tmp_path), "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith(f"with `singleshot export build CHECKPOINT --out {tmp_path}`\n")
    assert models_main(["evaluate", str(tmp_path / "best.pt"), "--data", str(tmp_path)]) == 1
    assert "no such file; `singleshot train` writes best.pt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "module", "signal", "status"),
    [
        ("serve --port 0", "fastapi", "SIGINT", 130),
        ("serve --port 0", "fastapi", "SIGTERM", 143),
        ("train passd-320-mobilenet --data D --out O", "torch", "SIGINT", 130),
        ("benchmark http://localhost --images I --rate 1", "numpy", "SIGINT", 130),
    ],
)
def test_a_signal_while_a_verb_imports_its_packages_ends_it_without_a_traceback(
    arguments: str, module: str, signal: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING.format(module=module, signal=signal))
    done = singleshot(*arguments.split(), PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_a_verb_ends_with_the_status_of_its_module(tmp_path: Path) -> None:
    assert singleshot("fetch", "here", "--out", str(tmp_path)).returncode == 2
    assert singleshot("benchmark", "http://localhost", "--images", str(tmp_path), "--rate", "1").returncode == 1
