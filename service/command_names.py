"""The names of the commands in help and messages: `python -m service.detect`, or `singleshot detect`."""

import re

VERBS = {
    "python -m service": "singleshot serve",
    "python -m service.benchmark": "singleshot benchmark",
    "python -m service.detect": "singleshot detect",
    "python -m service.fetch": "singleshot fetch",
    "python -m models": "singleshot",
    "python -m export": "singleshot export",
    "python -m export evaluate": "singleshot evaluate",
}
MODULE = re.compile(r"python -m (export evaluate|\w+(\.\w+)*)")

uses_verbs = False


def use_verbs() -> None:
    """Say `singleshot VERB` from now on, as the person did who started this process."""
    global uses_verbs
    uses_verbs = True


def named(text: str) -> str:
    """The text, in which each command has the kind of name by which this one was called."""
    return MODULE.sub(lambda found: VERBS.get(found[0], found[0]), text) if uses_verbs else text
