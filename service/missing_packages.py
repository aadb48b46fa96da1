"""Packages that are not installed: one sentence with the remedy instead of a traceback."""

import sys
from types import TracebackType

OWN_PACKAGES = ("comparison", "deploy", "export", "models", "service", "singleshot")


def explain_missing_packages() -> None:
    """From now on, an import of a package that is not installed ends the process with a sentence and status 1.

    This is for commands: in another program, sys.excepthook is not ours.
    """
    others = sys.excepthook

    def explain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sentence = explanation(error) if isinstance(error, ModuleNotFoundError) else None
        if sentence is None:
            others(kind, error, traceback)
        else:
            print(sentence, file=sys.stderr)

    sys.excepthook = explain


def explain_in_commands() -> None:
    """Call explain_missing_packages if `python -m` looks for a module of the package that is being imported."""
    if sys.argv[:1] == ["-m"]:  # what Python puts there as long as it looks for the module
        explain_missing_packages()


def explanation(error: ModuleNotFoundError) -> str | None:
    """The package that is missing, and the remedy; None for a bug, which needs its traceback.

    A bug is an absent module of a package that is there, or a package that Singleshot does not ask for.
    """
    from importlib.util import find_spec  # only a failing command pays for these

    from service.extras import remedy_for

    package, _, inner = (error.name or "").partition(".")
    try:
        spec = find_spec(package) if package else None
    except (ImportError, ValueError):
        spec = None
    if spec is not None and not (inner and spec.origin is None):  # others install into a package without __init__.py
        return None
    if package in OWN_PACKAGES:
        return f"this installation has no {package}/; run the command in a clone of Singleshot's repository"
    remedy = remedy_for(package)
    return f"{package} is not installed; run {remedy}" if remedy else None
