"""The inference of a request of the protocol, from its parsed tensors to those of its answer."""

import time
from collections.abc import Sequence
from typing import Any

from service.api.open_inference.request import images_of, query_of
from service.api.open_inference.response import Tensors, tensors_of, whole
from service.api.open_inference.tensors import InferRequest
from service.api.query import options_of
from service.api.request_record import RequestRecord
from service.api.state import ServerState
from service.detection.image_views import Image, ImageViews, count_views
from service.errors import ImageError
from service.repository.image_group import detect_group
from service.repository.served_model import ServedModel


async def infer_tensors(
    server: ServerState,
    model: ServedModel,
    record: RequestRecord,
    wanted: InferRequest,
    values: Sequence[Any],
    *,
    timeout_seconds: float | None,
    start: float,
) -> Tensors:
    """Detect in the images of a request that began at `start` -> all output tensors.

    `values` are those of its inputs, and `timeout_seconds` is None if the client has no timeout. Raises RequestError
    400, 413 and 422, and the errors of `detect_group`.
    """
    received = time.monotonic() if record.received is None else record.received
    images: Sequence[Image | ImageViews | ImageError]
    images = pictures = images_of(wanted, values, server.settings.max_files, server.settings.max_pixels)
    query = query_of(wanted)
    options = options_of(query, model)
    record.has_timeout, record.num_images = timeout_seconds is not None, len(images)
    if query.tile is not None:
        images = model.tiled.in_views(pictures, query.tile)
        record.num_views = count_views(images)
    limits = server.limits(model, timeout_seconds, start=start, received=received, num_images=count_views(images))
    outcomes = await detect_group(model, images, options, limits)
    record.outcomes = outcomes
    return tensors_of(model, whole(outcomes))
