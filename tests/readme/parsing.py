"""Whether the project's own commands would accept the arguments that the documents give them.

`faults_of` runs each command in a child process up to the point where argparse has accepted its arguments, or not. So
each module must exist, and each option, choice and type must be right, but nothing is computed.
"""

import argparse
import contextlib
import io
import json
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
OWN_PACKAGES = ("comparison", "deploy", "export", "models", "service", "singleshot", "tests")


def module_and_arguments(words: Sequence[str]) -> list[str] | None:
    """`python -m MODULE …`, `torchrun … -m MODULE …` and `singleshot …` -> our module and its arguments, else None."""
    if words[0] == "singleshot":
        return list(words)
    if words[0] not in ("python", "torchrun") or "-m" not in words:
        return None
    found = list(words[words.index("-m") + 1 :])
    return found if found and found[0].partition(".")[0] in OWN_PACKAGES else None


def faults_of(commands: Sequence[Sequence[str]]) -> dict[str, str]:
    """Commands, each a module with arguments -> the message of each one that is refused."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.readme.parsing"],
        input=json.dumps([list(words) for words in commands]),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert child.returncode == 0, child.stderr
    faults: dict[str, str] = json.loads(child.stdout.splitlines()[-1])
    return faults


class Accepted(BaseException):
    """Argparse accepts the arguments."""


def accept_and_stop() -> None:
    """From now on, the first parser that accepts its arguments raises Accepted."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> NoReturn:
        parse_args(self, args, namespace)
        raise Accepted

    argparse.ArgumentParser.parse_args = parse  # type: ignore[method-assign]


def fault_of(words: list[str]) -> str:
    """What the command says against its arguments; empty if it accepts them."""
    sys.argv = [words[0], *words[1:]]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except Accepted:
        return ""
    except SystemExit as end:
        if end.code in (None, 0):  # --help and --version
            return ""
        return said.getvalue() + (end.code if isinstance(end.code, str) else "")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"it ended without parsing its arguments: {said.getvalue()}"


def main() -> None:
    accept_and_stop()
    commands: list[list[str]] = json.load(sys.stdin)
    faults = {" ".join(words): fault_of(words) for words in commands}
    print(json.dumps({command: fault for command, fault in faults.items() if fault}))


if __name__ == "__main__":
    main()
