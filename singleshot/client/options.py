"""What a call may ask for, as the query of POST /detect."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypedDict
from urllib.parse import urlencode


class DetectOptions(TypedDict, total=False):
    """The keywords of `detect` and `detect_many`; the server's or the model's own value is used for None.

    `model` and `version`: a name or alias and a version that `models()` lists. `score_threshold`: the least score;
    `class_thresholds`: that of single classes by their names. `max_detections`: the best ones are kept. `classes`: only
    these, by their names. `nms`: the treatment of overlapping boxes, with `sigma` for soft and gaussian and
    `iou_threshold` for linear and hard; none gives the candidates before it. `tile`: the model also sees overlapping
    tiles of so many pixels, for small objects in large pictures; auto goes by its input. `timeout`: seconds for one
    picture, all tries together, instead of the client's.
    """

    model: str | None
    version: str | None
    score_threshold: float | None
    class_thresholds: Mapping[str, float] | None
    max_detections: int | None
    classes: Sequence[str] | None
    nms: Literal["soft", "gaussian", "linear", "hard", "none"] | None
    sigma: float | None
    iou_threshold: float | None
    tile: int | Literal["auto"] | None
    timeout: float | None


NAMES = DetectOptions.__optional_keys__


def query_of(options: DetectOptions) -> str:
    """The query, which begins with `?` if it is not empty.

    Raises TypeError if there is no such option, and ValueError for classes that are none: the server would take all.
    """
    unknown = options.keys() - NAMES
    if unknown:
        raise TypeError(f"there is no option {min(unknown)!r}; there are {', '.join(sorted(NAMES))}")
    query = urlencode(list(_pairs(options)))
    return f"?{query}" if query else ""


def _pairs(options: DetectOptions) -> Iterator[tuple[str, object]]:
    for name, value in options.items():
        if name == "timeout" or value is None:
            continue
        if isinstance(value, Mapping):
            yield from ((name, f"{label}:{threshold}") for label, threshold in value.items())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if not value:
                raise ValueError(f"{name} is empty; give at least one name, or None for all")
            yield from ((name, one) for one in value)
        else:
            yield name, value
