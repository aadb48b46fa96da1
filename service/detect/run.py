"""A run: every picture through the detector, on all its workers, and into the results in the order of the sources."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pydantic_core import to_json

from service.bundle import Manifest
from service.detect.detector import Detector, Found
from service.detect.ordered_map import ordered_map
from service.detect.outputs.format import Content
from service.detect.picture import Failure, Picture, Result, batched
from service.detection.image_views import Image
from service.detection.rows import rows_of
from service.errors import ImageError

LOCAL_READERS = 2  # a disk answers in milliseconds
REMOTE_READERS = 16  # a server answers in tens of milliseconds


class Results(Protocol):
    """Takes the results of a run."""

    def write(self, batch: list[Result | Failure]) -> None:
        """Take one batch."""
        ...

    def finish(self) -> str:
        """Take the end of the run, with all pictures done -> a note for the user, or an empty string."""
        ...


@dataclass
class Tally:
    """What a run has done so far."""

    num_pictures: int = 0
    num_detections: int = 0
    num_failed: int = 0

    def add(self, batch: list[Result | Failure]) -> None:
        """Count one batch."""
        results = [result for result in batch if isinstance(result, Result)]
        self.num_pictures += len(results)
        self.num_failed += len(batch) - len(results)
        self.num_detections += sum(len(result.found.detections) for result in results)


def run(
    detector: Detector,
    pictures: Iterator[Picture | Failure],
    results: Results,
    tally: Tally,
    *,
    content: Content | None = None,
    num_readers: int = LOCAL_READERS,
    on_batch: Callable[[int], object] = lambda _: None,
) -> None:
    """Detect in all pictures. `content` makes each picture's own file; `on_batch` gets the size of each batch.

    A tiled picture is a batch by itself. `num_readers` further workers read while the others compute. Raises the errors
    of `results`, EngineFailedError, and OSError of a source.
    """
    size = detector.max_batch if detector.tile is None else 1
    for batch in ordered_map(
        partial(detect_batch, detector, content),
        batched(pictures, size),
        detector.num_workers + num_readers,
        weight=pixels_of,
        max_weight=detector.max_pixels_in_flight,
    ):
        results.write(batch)
        tally.add(batch)
        on_batch(len(batch))


def pixels_of(batch: list[Picture | Failure]) -> int:
    """The pixels that the pictures of a batch hold in memory before it is begun."""
    return sum(picture.num_pixels for picture in batch if isinstance(picture, Picture))


def detect_batch(detector: Detector, content: Content | None, batch: list[Picture | Failure]) -> list[Result | Failure]:
    """Read the pictures, detect in all of them together, and make what each gives."""
    images = [read(picture) if isinstance(picture, Picture) else picture for picture in batch]
    outcomes = iter(detector.detect([image for image in images if not isinstance(image, Failure)]))
    results: list[Result | Failure] = []
    for picture, image in zip(batch, images, strict=True):
        if isinstance(image, Failure):
            results.append(image)
        elif isinstance(picture, Picture):
            results.append(result_of(picture, image, next(outcomes), detector.manifest, content))
    return results


def result_of(
    picture: Picture, image: Image, outcome: Found | ImageError, manifest: Manifest, content: Content | None
) -> Result | Failure:
    """What a picture gives that was read as `image`."""
    if isinstance(outcome, ImageError):
        return Failure(picture.name, str(outcome))
    try:
        own = content(image, outcome, manifest) if content else None
    except ImageError as error:
        return Failure(picture.name, str(error))
    return Result(picture.name, outcome, line_of(picture, outcome, manifest), own)


def read(picture: Picture) -> Image | Failure:
    """The picture's file or pixels, or why it cannot be read."""
    try:
        return picture.read()
    except ImageError as error:
        return Failure(picture.name, str(error))
    except OSError as error:
        return Failure(picture.name, error.strerror or str(error))


def line_of(picture: Picture, found: Found, manifest: Manifest) -> bytes:
    """A picture's line of JSON; boxes are in pixels of the upright picture, as in an answer of /detect."""
    seconds = {} if picture.seconds is None else {"seconds": picture.seconds}
    fields = {
        **seconds,
        "width": found.width,
        "height": found.height,
        "model": manifest.name,
        "version": manifest.version,
        "detections": rows_of(manifest.classes, found.detections),
    }
    # a name may hold bytes that are no UTF-8; json escapes them and to_json does not
    return b'{"name":' + json.dumps(picture.name).encode() + b"," + to_json(fields)[1:] + b"\n"
