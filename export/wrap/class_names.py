"""The names of a detector's classes, from --classes or from the model's own metadata."""

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from export.errors import ExportError

NOT_A_CLASS = "N/A"  # stands at the unused numbers of MS COCO's categories, several times
BACKGROUND = ("background", "__background__")
FORMS = 'NAMES.txt (a name a line), a data.yaml with `names:`, a config.json with `id2label`, or "a,b,c"'


def read_class_names(given: str) -> tuple[str, ...]:
    """The names in a text file, a YAML or JSON file, or the list `given` itself; raises ExportError."""
    path = Path(given)
    if path.suffix.lower() in (".yaml", ".yml", ".json"):
        return _listed(_parsed(path), str(path))
    if path.suffix.lower() in (".txt", ".names") or _is_file(path):
        lines = [line.strip() for line in _text_of(path).splitlines()]
        return _named([line for line in lines if line], str(path))
    return _named([name.strip() for name in given.split(",")], "--classes")


def names_in_metadata(metadata: dict[str, str]) -> tuple[str, ...] | None:
    """The names that Ultralytics writes into its models, as {0: 'person', …}; None if there are none."""
    if "names" not in metadata:
        return None
    try:
        names = ast.literal_eval(metadata["names"])
    except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError):  # all that literal_eval may raise
        return None
    return _listed(names, "the model's metadata") if isinstance(names, dict | list) else None


def _parsed(path: Path) -> Any:
    try:
        content = yaml.safe_load(_text_of(path))  # JSON is YAML
    except (RecursionError, yaml.YAMLError) as error:
        raise ExportError(f"{path}: not YAML or JSON; --classes takes {FORMS}") from error
    for key in ("names", "id2label"):
        if isinstance(content, dict) and key in content:
            return content[key]
    return content


def _listed(names: Any, place: str) -> tuple[str, ...]:
    """Names in a list, or in a dict by their numbers 0, 1, 2…"""
    if isinstance(names, dict):
        try:
            by_number = {int(number): name for number, name in names.items()}
        except (TypeError, ValueError) as error:
            raise ExportError(f"{place}: the names have no numbers; --classes takes {FORMS}") from error
        missing = next((number for number in range(len(by_number)) if number not in by_number), None)
        if missing is not None:
            raise ExportError(
                f"{place}: number {missing} has no name; give each number from 0 to {max(by_number)} one, such as "
                f"{NOT_A_CLASS}"
            )
        names = [by_number[number] for number in range(len(by_number))]
    if not isinstance(names, list) or not all(isinstance(name, str | int | float) for name in names):
        raise ExportError(f"{place}: there is no list of names; --classes takes {FORMS}")
    return _named([str(name).strip() for name in names], place)


def _named(names: list[str], place: str) -> tuple[str, ...]:
    if not names or not all(names):
        raise ExportError(f"{place}: a name is empty; --classes takes {FORMS}")
    named = tuple(f"{name} {number}" if name == NOT_A_CLASS else name for number, name in enumerate(names))
    if twice := [name for name, count in Counter(named).items() if count > 1]:
        raise ExportError(f"{place}: {twice[0]!r} stands there twice; give each class a name of its own with --classes")
    return named


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a list of names is longer than a path may be
        return False


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: it cannot be read as text ({error}); --classes takes {FORMS}") from error
