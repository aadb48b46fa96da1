"""Several images of one request, submitted at once so that they may share a batch."""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.detection.postprocess import Options
from service.errors import ImageError
from service.repository.image_job import Outcome
from service.repository.served_model import ServedModel
from service.scheduling.admission import TimeLimits


async def detect_group(
    model: ServedModel, images: Sequence[bytes | NDArray[np.uint8]], options: Options, limits: TimeLimits
) -> list[Outcome | ImageError]:
    """Image files, or images uint8 [H, W, 3] -> for each image its Outcome, or its ImageError if it is bad.

    The images are accepted or refused together: an idle server takes all of them, also if together they take longer
    than the objective. A RejectedError, ExpiredError or BatchFailedError of one image ends the whole request.
    """

    if len(images) == 1:
        return [await detect_one(model, images[0], options, limits)]
    model.check(limits, len(images))
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(detect_one(model, image, options, limits, is_checked=True)) for image in images]
    except ExceptionGroup as group_of_errors:
        raise group_of_errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def detect_one(
    model: ServedModel,
    image: bytes | NDArray[np.uint8],
    options: Options,
    limits: TimeLimits,
    *,
    is_checked: bool = False,
) -> Outcome | ImageError:
    """The Outcome of an image, or its ImageError if it is bad; see `ServedModel.detect`."""
    try:
        return await model.detect(image, options, limits, is_checked=is_checked)
    except ImageError as error:
        return error
