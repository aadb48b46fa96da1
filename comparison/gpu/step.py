"""What a step of the check gets, and what it hands back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

State = Literal["running", "passed", "failed", "skipped", "no GPU"]


class SkippedError(Exception):
    """A step that cannot run here; the message says what it needs."""


class CheckError(Exception):
    """A figure beyond its limit; the message gives both."""


def require_module(module: str, package: str) -> None:
    """Raise SkippedError unless the top-level module, which comes with the package, is installed."""
    if find_spec(module) is None:
        raise SkippedError(f"needs {package}")


def check(is_met: bool, message: str) -> None:
    """Raise CheckError with the message unless the condition is met."""
    if not is_met:
        raise CheckError(message)


@dataclass(frozen=True)
class Options:
    """What all steps get. `work` is a folder that the steps of one run share; with `is_cpu` they use no GPU."""

    is_cpu: bool
    bundle: Path
    images: Path
    work: Path

    def to_json(self) -> str:
        """The options as text, for the step's process."""
        return json.dumps({name: value if name == "is_cpu" else str(value) for name, value in asdict(self).items()})

    @classmethod
    def of_json(cls, text: str) -> "Options":
        """The options in a text of `to_json`."""
        values = json.loads(text)
        return cls(values["is_cpu"], Path(values["bundle"]), Path(values["images"]), Path(values["work"]))


@dataclass
class Outcome:
    """The end of a step: its figures in words, and its tables by caption, each row {column: cell}."""

    state: State = "running"
    reason: str = ""
    figures: list[str] = field(default_factory=list)
    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """The state in words: "skipped: needs torchvision"."""
        return f"{self.state}: {self.reason}" if self.reason else self.state


class Findings:
    """What a step has found so far. Every addition goes to the file at once, so that a crash loses none of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcome = Outcome()

    def figure(self, text: str) -> None:
        """Add a figure for the table of steps, such as "worst relative error 2.8e-6"."""
        print(text, flush=True)
        self._outcome.figures.append(text)
        self._save()

    def row(self, caption: str, cells: Mapping[str, object]) -> None:
        """Add a row {column: cell} to the table with this caption; all rows of a table have the same columns."""
        texts = {name: f"{cell:.4g}" if isinstance(cell, float) else str(cell) for name, cell in cells.items()}
        print(", ".join(f"{name} {text}" for name, text in texts.items()), flush=True)
        self._outcome.tables.setdefault(caption, []).append(texts)
        self._save()

    def end(self, state: State, reason: str = "") -> None:
        """Set the outcome."""
        self._outcome.state, self._outcome.reason = state, reason
        self._save()

    def _save(self) -> None:
        staged = self._path.with_suffix(".new")
        staged.write_text(json.dumps(asdict(self._outcome)))
        staged.replace(self._path)


def read_outcome(path: Path) -> Outcome:
    """The outcome that a step's process has written so far; an empty one if it wrote none."""
    return Outcome(**json.loads(path.read_text())) if path.exists() else Outcome()
