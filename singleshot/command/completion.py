"""Completion: at each TAB a shell starts the command, and argcomplete completes the line that the shell gives."""

import argparse
import os
import sys
from importlib import import_module
from typing import Any

import argcomplete

from singleshot.command.verbs import SHELLS, VERBS, verbs_for


def complete() -> None:
    """Answer the shell, which gives the line in COMP_LINE, and end the process."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # the check of --device would import it for seconds
    words = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])].split(" ")
    argcomplete.autocomplete(parser_for([word for word in words[1:-1] if word]))


def parser_for(words: list[str]) -> argparse.ArgumentParser:
    """The parser of the verb with which the words before the cursor begin, or without a verb one that knows all verbs.

    argcomplete counts in `_ARGCOMPLETE` from which word on the parser reads.
    """
    if not words or words[0] not in VERBS:
        return parser_of_verbs()
    verb = verbs_for(words[0], words[1:])[0]
    if not verb.takes_name:
        os.environ["_ARGCOMPLETE"] = "2"
    module: Any = import_module(f"{verb.module}.{verb.command_line}")
    parser: argparse.ArgumentParser = module.parser()
    return parser


def parser_of_verbs() -> argparse.ArgumentParser:
    """A parser that knows the verbs, and nothing about their options."""
    parser = argparse.ArgumentParser("singleshot")
    parser.add_argument("--version", action="store_true", help="show the versions and exit")
    verbs = parser.add_subparsers()
    for verb in VERBS.values():
        verbs.add_parser(verb.name, help=verb.help, add_help=False)
    verbs.add_parser("completion", help="print the completion of a shell").add_argument("shell", choices=SHELLS)
    return parser
