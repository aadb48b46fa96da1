"""Fields of annotations, names of splits, and a tally of what was left out."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from models.data.data_set import DataError

FLAGS = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), True),
    **dict.fromkeys(("", "0", "0.0", "false", "no"), False),
}
VALIDATION = ("val", "valid", "validation")  # names of the same split: in VOC and COCO, and in Roboflow's exports


DRIVE = re.compile(r"[A-Za-z]:[/\\]")


@dataclass
class Tally:
    """Counts what a reader left out or assumed, and remembers the first place of each."""

    num_dropped: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, place: object, count: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + count
        self.first.setdefault(what, str(place))

    def drop(self, what: str, place: object, count: int = 1) -> None:
        """Count objects that are not read."""
        self.add(f"dropped {what}", place, count)
        self.num_dropped += count

    def say(self, note: str) -> None:
        """Remember something that is not counted."""
        self.counts[note] = 0

    def notes(self) -> tuple[str, ...]:
        """One line for each kind of thing."""
        return tuple(
            f"{what}: {count} (first: {self.first[what]})" if count else what for what, count in self.counts.items()
        )


def read_flag(value: object, name: str, place: object) -> bool:
    """A flag such as 1, "true" or null (not set); raises DataError if it is another text or number."""
    text = "" if value is None else str(value).strip().lower()
    if text not in FLAGS:
        raise DataError(f"{place}: {name} is {value!r}; write 0 or 1")
    return FLAGS[text]


def read_size(height: object, width: object, place: object) -> tuple[int, int]:
    """(height, width) of an image, given as numbers or text; (0, 0), unknown, if one of them is missing or 0."""
    size = _side(height, "height", place), _side(width, "width", place)
    return size if all(size) else (0, 0)


def _side(value: object, name: str, place: object) -> int:
    if value is None:
        return 0
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not (number >= 0 and number.is_integer()):
        raise DataError(f"{place}: the image's {name} is {value!r}; write a number of pixels, or 0 if it is unknown")
    return int(number)


def inner_path(name: str, place: object) -> Path:
    """The path of a file in the data set, written with / or \\; raises DataError if it leads out of its folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name or DRIVE.match(name) or "\0" in name:
        raise DataError(f"{place}: {name!r} is no file of the data set; write a path inside of its folder")
    return Path(path)


def pick_split(split: str, existing: Collection[str], place: object, tally: Tally) -> str:
    """The name under which `split` exists: `val` is found as `valid` and the reverse. Raises DataError."""
    if split in existing:
        return split
    others = [name for name in VALIDATION if name in existing] if split in VALIDATION else []
    if not others:
        names = ", ".join(sorted(existing)) or "none"
        raise DataError(f"{place}: no such split; there are: {names}; choose one with --split")
    tally.say(f"there is no split {split}, so {others[0]} was read")
    return others[0]


def index_of_class(name: str, classes: dict[str, int], place: object) -> int:
    """The index of a class by its name; raises DataError if it is not among `classes`."""
    try:
        return classes[name]
    except KeyError:
        raise DataError(
            f"{place}: class {name!r} is not one of {', '.join(classes)}; rename it, or train with this class"
        ) from None
