"""The entry point: it runs the module of a verb in this process, as `python -m` would."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from runpy import run_module

from service.command_names import use_verbs
from service.missing_packages import explain_missing_packages
from singleshot.command.overview import correction, overview
from singleshot.command.verbs import SHELLS, VERBS, Verb, verbs_for


def main() -> int:
    """Do what the arguments of the process say -> exit status; that of a verb is its module's own."""
    explain_missing_packages()
    use_verbs()
    try:
        if "_ARGCOMPLETE" in os.environ:  # a shell asks, after a TAB
            from singleshot.command.completion import complete

            complete()
        return answer(sys.argv[1:])
    except KeyboardInterrupt:  # for example while a verb imports its packages, which may take seconds
        return 130


def answer(arguments: list[str]) -> int:
    """Run a verb, or print what the command itself knows -> exit status, 2 for a wrong word."""
    match arguments:
        case ["-h" | "--help", *_]:
            return say(overview().rstrip("\n"))
        case ["--version", *_]:
            from service.version import versions

            return say(versions())
        case ["completion", shell] if shell in SHELLS:
            from argcomplete import shellcode

            return say(shellcode(["singleshot"], shell=shell))
        case ["completion", *_]:
            return refuse(f"completion is followed by the name of a shell: {', '.join(SHELLS)}")
        case [name, *given] if name in VERBS:
            *others, last = verbs_for(name, given)
            for verb in others:
                with suppress(SystemExit):
                    run(verb, given)
            run(last, given)
        case [word, *_]:
            return refuse(correction(word))
        case _:
            return refuse("a verb is missing, such as `singleshot serve`; `singleshot --help` lists the verbs")
    return 0


def run(verb: Verb, given: list[str]) -> None:
    """Run the module of a verb, which ends with SystemExit. Raises ModuleNotFoundError if a package is missing."""
    import_module(verb.module.partition(".")[0])  # run_module's own error would not name the package
    sys.argv[1:] = verb.arguments(given)
    run_module(verb.module, run_name="__main__", alter_sys=True)


def say(text: str) -> int:
    """Print the text -> exit status, 1 if whoever read the output has ended, such as `head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else its end writes again
        return 1
    return 0


def refuse(message: str) -> int:
    """Print the error in one sentence -> exit status."""
    print(f"singleshot: {message}", file=sys.stderr)
    return 2
