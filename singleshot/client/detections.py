"""What the server found in a picture."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from singleshot.client.requirement import needing

if TYPE_CHECKING:
    import pandas
    import supervision
    from PIL.Image import Image

    from singleshot.client.picture import Picture

Box = tuple[float, float, float, float]
# of a table: without any object too, else joining tables would turn the numbers of all of them into objects
COLUMNS = {"label": "str", "class_id": "int64"} | dict.fromkeys(("score", "x1", "y1", "x2", "y2"), "float64")


@dataclass(frozen=True, slots=True)
class Detection:
    """One object: the name and the number of its class, its score, and its box xyxy in pixels."""

    label: str
    class_id: int
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects in one picture, the best first. Boxes are xyxy in pixels of the upright picture.

    `width` and `height` are those of the upright picture, `stage_seconds` says how long each stage in the server took.
    `views` is the number of parts of the picture that the model saw: 1, or with tiles all of them and the whole.
    """

    objects: tuple[Detection, ...]
    width: int
    height: int
    model: str
    version: str
    request_id: str
    stage_seconds: Mapping[str, float]
    views: int = 1

    @property
    def boxes(self) -> list[Box]:
        """D boxes xyxy in pixels."""
        return [one.box for one in self.objects]

    @property
    def scores(self) -> list[float]:
        """D scores from 0 to 1."""
        return [one.score for one in self.objects]

    @property
    def labels(self) -> list[str]:
        """The names of D classes."""
        return [one.label for one in self.objects]

    @property
    def class_ids(self) -> list[int]:
        """The numbers of D classes."""
        return [one.class_id for one in self.objects]

    def __len__(self) -> int:
        """The number of objects, D."""
        return len(self.objects)

    def __iter__(self) -> Iterator[Detection]:
        """Each object."""
        return iter(self.objects)

    @overload
    def __getitem__(self, index: int) -> Detection: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Detection, ...]: ...
    def __getitem__(self, index: int | slice) -> Detection | tuple[Detection, ...]:
        """One object, or some."""
        return self.objects[index]

    def draw(self, picture: "Picture") -> "Image":
        """A copy of the picture, upright, with the boxes, the labels and the scores; it needs Pillow."""
        with needing("pillow", "draw"):
            from singleshot.client.drawing import draw
        return draw(picture, self)

    def to_dict(self) -> dict[str, Any]:
        """The same as the server's answer for this picture, with the model, the version and the request's id."""
        rows = [
            {
                "label": one.label,
                "class_id": one.class_id,
                "score": one.score,
                "box": dict(zip(("x1", "y1", "x2", "y2"), one.box, strict=True)),
            }
            for one in self.objects
        ]
        names = {"model": self.model, "version": self.version, "request_id": self.request_id}
        return {**names, "width": self.width, "height": self.height, "detections": rows}

    def to_json(self) -> str:
        """`to_dict` in one line of JSON."""
        return json.dumps(self.to_dict())

    def to_pandas(self) -> "pandas.DataFrame":
        """One row for each object: label, class_id, score, x1, y1, x2, y2."""
        with needing("pandas", "to_pandas"):
            import pandas
        rows = [(one.label, one.class_id, one.score, *one.box) for one in self.objects]
        return pandas.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)

    def to_supervision(self) -> "supervision.Detections":
        """The same for supervision's annotators and trackers; `data["class_name"]` has the labels."""
        with needing("supervision", "to_supervision"):
            import numpy as np
            import supervision
        return supervision.Detections(
            xyxy=np.array(self.boxes, np.float32).reshape(-1, 4),
            confidence=np.array(self.scores, np.float32),
            class_id=np.array(self.class_ids, np.int64),
            data={"class_name": np.array(self.labels, dtype=str)},
        )
