"""What the tests ask of a model: the kind's defaults."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from export.wrap.examination import Wish
from export.wrap.kinds import KINDS, KindName
from tests.export.wrap.networks import CLASSES, write_picture


def wish(folder: Path, kind: KindName, **changes: Any) -> Wish:
    """The wish for a bundle of a model of that kind, with a golden image that is not of the input's shape."""
    plain = Wish(
        kind=kind,
        classes=CLASSES,
        golden=write_picture(folder / "golden.png", 80, 100),
        name="wrapped",
        version="1",
        nms=None,
        score_threshold=0.3,
        normalisation=KINDS[kind].normalisation,
        resize=KINDS[kind].resize,
    )
    return replace(plain, **changes)
