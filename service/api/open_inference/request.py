"""An inference request of the Open Inference Protocol: its images, parameters, timeout and outputs."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from service.api.deadline import MAX_TIMEOUT_MS
from service.api.open_inference.response import OUTPUT_NAMES
from service.api.open_inference.tensors import InferRequest
from service.api.problems import RequestError
from service.api.schemas import DetectQuery
from service.errors import validation_problems

# parameters that Triton's clients may send and that are not parameters of /detect
RESERVED = frozenset(["binary_data_output", "timeout", "priority", "sequence_id", "sequence_start", "sequence_end"])
RESERVED |= {"triton_enable_empty_final_response"}  # each request of a stream has one response
# parameters of /detect that are none of a request, each with the reason
ELSEWHERE = {"model": "the path has it", "version": "the path has it", "format": "the answer has tensors"}
# the parameters of tensors that have an effect here; not shared memory, and not the classification of outputs
INPUT_PARAMETERS = frozenset(["binary_data_size"])
OUTPUT_PARAMETERS = frozenset(["binary_data"])


def images_of(
    wanted: InferRequest, values: Sequence[Any], max_images: int, max_pixels: int
) -> Sequence[bytes | NDArray[np.uint8]]:
    """The images of a request; raises RequestError 400 and 413."""
    if len(values) != 1:
        raise RequestError(400, "a request has one input: image (BYTES) or images (UINT8)")
    tensor, value = wanted.inputs[0], values[0]
    _check_parameters(tensor.name, tensor.parameters, INPUT_PARAMETERS)
    if (tensor.name, tensor.datatype) not in (("image", "BYTES"), ("images", "UINT8")):
        raise RequestError(
            400, f"no input {tensor.name} of type {tensor.datatype}; send image (BYTES) or images (UINT8)"
        )
    if isinstance(value, np.ndarray):
        if value.ndim == 3:
            value = value[None]
        if value.ndim != 4 or value.shape[3] != 3 or 0 in value.shape[1:3]:
            raise RequestError(400, f"images: shape is {tensor.shape}, it should be [B, H, W, 3]")
        if value.shape[1] * value.shape[2] > max_pixels:
            raise RequestError(413, f"the images have more than {max_pixels} pixels each")
    if not 1 <= len(value) <= max_images:
        raise RequestError(400, f"a request holds 1 to {max_images} images, not {len(value)}")
    return list(value)


def query_of(wanted: InferRequest) -> DetectQuery:
    """The request's parameters as a query of /detect; raises RequestError 400."""
    for name, reason in ELSEWHERE.items():
        if name in wanted.parameters:
            raise RequestError(400, f"parameters.{name} has no effect here, because {reason}; leave it out")
    parameters = {
        name: [value] if name in ("classes", "class_thresholds") and isinstance(value, str) else value
        for name, value in wanted.parameters.items()
        if name not in RESERVED
    }
    try:
        return DetectQuery.model_validate(parameters)
    except ValidationError as error:
        raise RequestError(400, validation_problems(error.errors(), prefix="parameters.")) from error


def timeout_of(wanted: InferRequest) -> float:
    """The request's parameter `timeout` (in µs) in seconds; 0 if it is not set. Raises RequestError 400."""
    timeout = wanted.parameters.get("timeout", 0)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or not 0 <= timeout <= 1000 * MAX_TIMEOUT_MS:
        raise RequestError(
            400, f"parameters.timeout is {timeout!r}, it should be a number of µs up to {1000 * MAX_TIMEOUT_MS}"
        )
    return timeout / 1e6


def outputs_of(wanted: InferRequest) -> dict[str, bool]:
    """{name of a requested output: whether it is sent as bytes}; raises RequestError 400."""
    default = _flag("parameters.binary_data_output", wanted.parameters.get("binary_data_output", False))
    if not wanted.outputs:
        return dict.fromkeys(OUTPUT_NAMES, default)
    is_binary = {}
    for output in wanted.outputs:
        if output.name not in OUTPUT_NAMES:
            raise RequestError(400, f"no output {output.name!r}; there are {', '.join(OUTPUT_NAMES)}")
        _check_parameters(output.name, output.parameters, OUTPUT_PARAMETERS)
        is_binary[output.name] = _flag(f"{output.name}: binary_data", output.parameters.get("binary_data", default))
    return is_binary


def _check_parameters(name: str, parameters: Mapping[str, Any], supported: Set[str]) -> None:
    for parameter in parameters:
        if parameter not in supported:
            raise RequestError(
                400, f"{name}: this server does not support the parameter {parameter}, only {', '.join(supported)}"
            )


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise RequestError(400, f"{name} is {value!r}, it should be true or false")
    return value
