"""Several images of one request, submitted at once so that they may share a batch."""

import asyncio
from collections.abc import Sequence

from service.detection.image_views import Image, ImageViews, count_views
from service.detection.postprocess import Options
from service.errors import ImageError
from service.repository.image_job import Outcome
from service.repository.served_model import ServedModel
from service.scheduling.admission import TimeLimits


async def detect_group(
    model: ServedModel, images: Sequence[Image | ImageViews | ImageError], options: Options, limits: TimeLimits
) -> list[Outcome | ImageError]:
    """The images of a request, perhaps in views -> for each its Outcome, or its ImageError if it is bad.

    The images are accepted or refused together, and each view counts as an image: an idle server takes all of them,
    also if together they take longer than the objective. A RejectedError, ExpiredError or BatchFailedError of one image
    ends the whole request.
    """
    num_views = count_views(images)
    if num_views > 1:
        model.check(limits, num_views, model.tiled.ready_seconds(images))
    if len(images) == 1:
        return [await detect_one(model, images[0], options, limits, is_checked=num_views > 1)]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(detect_one(model, image, options, limits, is_checked=num_views > 1))
                for image in images
            ]
    except ExceptionGroup as group_of_errors:
        raise group_of_errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def detect_one(
    model: ServedModel,
    image: Image | ImageViews | ImageError,
    options: Options,
    limits: TimeLimits,
    *,
    is_checked: bool,
) -> Outcome | ImageError:
    """The Outcome of an image, or its ImageError if it is bad; see `ServedModel.detect`."""
    if isinstance(image, ImageError):
        return image
    try:
        if not isinstance(image, ImageViews):
            return await model.detect(image, options, limits, is_checked=is_checked)
        if len(image.views) == 1:  # as without tiles
            return await model.detect(image.image, options, limits, is_checked=is_checked)
        return await model.tiled.detect(image, options, limits)
    except ImageError as error:
        return error
