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
    images = images_of(wanted, values, server.settings.max_files, server.settings.max_pixels)
    options = options_of(query_of(wanted), model)
    record.has_timeout, record.num_images = timeout_seconds is not None, len(images)
    limits = server.limits(model, timeout_seconds, start=start, received=received, num_images=len(images))
    outcomes = await detect_group(model, images, options, limits)
    record.outcomes = outcomes
    return tensors_of(model, whole(outcomes))
