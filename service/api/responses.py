"""The answers of /detect: the JSON body, the Server-Timing header, and the stages for the trace."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_core import to_json

from service.api.form import Upload
from service.api.problems import problem_of
from service.api.request_record import largest_batch, slowest_stages
from service.detection.rows import rows_of
from service.errors import ImageError
from service.repository.image_job import Outcome
from service.repository.served_model import ServedModel
from service.telemetry.tracing import Stage


def json_answer(
    model: ServedModel, uploads: Sequence[Upload], outcomes: Sequence[Outcome | ImageError], *, has_views: bool
) -> bytes:
    """The JSON answer in the form of `DetectResponse`; it `has_views` if the images were seen in tiles.

    It is made of plain dicts, because their validation would cost more than their construction.
    """
    pairs = zip(uploads, outcomes, strict=True)
    answer = {
        "model": model.name,
        "version": model.version,
        "results": [result_of(model, upload, outcome, has_views) for upload, outcome in pairs],
    }
    return to_json(answer)


def count_detections(outcomes: Sequence[Outcome | ImageError]) -> int:
    """The detections in all images."""
    return sum([len(outcome.detections) for outcome in outcomes if isinstance(outcome, Outcome)])


def result_of(model: ServedModel, upload: Upload, outcome: Outcome | ImageError, has_views: bool) -> dict[str, Any]:
    """One image's `Result`."""
    if isinstance(outcome, ImageError):
        return {
            "filename": upload.filename,
            "width": None,
            "height": None,
            "detections": [],
            "error": problem_of(outcome).as_json(),
        }
    return {
        "filename": upload.filename,
        "width": outcome.width,
        "height": outcome.height,
        **({"views": outcome.num_views} if has_views else {}),
        "detections": rows_of(model.classes, outcome.detections),
    }


def server_timing(outcomes: Sequence[Outcome | ImageError]) -> str:
    """The Server-Timing header: for each stage the time of the slowest image, in ms, and the size of the largest batch
    that an image ran in, as the description of `infer`.
    """
    batch = f';desc="batch of {largest_batch(outcomes)}"'
    stages = slowest_stages(outcomes).items()
    return ", ".join([f"{name};dur={1000 * seconds:.2f}{batch if name == 'infer' else ''}" for name, seconds in stages])


def stages_of(outcomes: Sequence[Outcome | ImageError]) -> Iterator[Stage]:
    """The stages of each image in their order, for the trace."""
    for outcome in outcomes:
        if isinstance(outcome, Outcome):
            start = outcome.started
            for name, seconds in outcome.seconds.items():
                yield Stage(name, start, seconds)
                start += seconds
