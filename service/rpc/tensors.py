"""Tensors in messages of gRPC: as bytes beside the tensors, or as numbers in them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from service.api.open_inference.json_numbers import MAX_NUMBERS
from service.api.open_inference.response import Tensors
from service.api.open_inference.tensors import (
    MAX_BYTES_ELEMENTS,
    InferRequest,
    InputTensor,
    bytes_of,
    check_type,
    counted,
    described,
    from_bytes,
    shaped,
)
from service.api.problems import RequestError
from service.errors import validation_problems
from service.rpc.messages import Message, inference

FIELDS = {"BYTES": "bytes_contents", "UINT8": "uint_contents"}  # of InferTensorContents, by datatype
MAX_PARAMETERS = 1000
Response = inference("ModelInferResponse")


def check_counts(message: Message) -> None:
    """Raise RequestError 400 if a message has so many parts that they take far more memory than its bytes."""
    raw = message.raw_input_contents
    if max(len(message.inputs), len(message.outputs), len(message.parameters), len(raw)) > MAX_PARAMETERS:
        raise RequestError(400, f"the message has more than {MAX_PARAMETERS} inputs, outputs or parameters")
    for tensor in message.inputs:
        if len(tensor.shape) > MAX_PARAMETERS:
            raise RequestError(400, f"{tensor.name}: its shape has more than {MAX_PARAMETERS} sides")
        if len(tensor.contents.bytes_contents) > MAX_BYTES_ELEMENTS:
            raise RequestError(400, f"{tensor.name}: a BYTES tensor has {MAX_BYTES_ELEMENTS} elements at most")


def parse_request(message: Message) -> tuple[InferRequest, list[Any]]:
    """The request and the value of each input: a uint8 array, or a list of bytes. Raises RequestError 400 and 413."""
    try:
        wanted = InferRequest.model_validate(
            {
                "id": message.id or None,
                "parameters": values_of(message.parameters),
                "inputs": [
                    {
                        "name": tensor.name,
                        "datatype": tensor.datatype,
                        "shape": list(tensor.shape),
                        "parameters": values_of(tensor.parameters),
                    }
                    for tensor in message.inputs
                ],
                "outputs": [
                    {"name": output.name, "parameters": values_of(output.parameters)} for output in message.outputs
                ],
            }
        )
    except ValidationError as error:
        raise RequestError(400, validation_problems(error.errors())) from error
    raw = message.raw_input_contents
    if not raw:
        parts = zip(wanted.inputs, message.inputs, strict=True)
        return wanted, [from_contents(tensor, part.contents) for tensor, part in parts]
    if len(raw) != len(wanted.inputs):
        raise RequestError(400, f"{len(raw)} raw_input_contents do not fit {len(wanted.inputs)} inputs")
    if both := next((part.name for part in message.inputs if part.HasField("contents")), None):
        raise RequestError(400, f"{both}: it has both contents and raw_input_contents; send one of them")
    values = []
    for tensor, data in zip(wanted.inputs, raw, strict=True):
        check_type(tensor)
        values.append(from_bytes(tensor, memoryview(data)))
    return wanted, values


def from_contents(tensor: InputTensor, contents: Message) -> Any:
    """The value of a tensor from InferTensorContents; raises RequestError 400 and 413."""
    check_type(tensor)
    field = FIELDS[tensor.datatype]
    others = [found.name for found, _ in contents.ListFields() if found.name != field]
    if others:
        raise RequestError(400, f"{tensor.name}: {tensor.datatype} should be in {field}, not in {others[0]}")
    elements = getattr(contents, field)
    if tensor.datatype == "BYTES":
        return counted(tensor, list(elements))
    if len(elements) > MAX_NUMBERS:
        detail = f"{tensor.name}: {field} has more than {MAX_NUMBERS} numbers; send large tensors in raw_input_contents"
        raise RequestError(413, detail)
    numbers = np.array(elements, np.uint32)
    if numbers.size and numbers.max() > 255:
        raise RequestError(400, f"{tensor.name}: {field} should be integers from 0 to 255")
    return shaped(tensor, numbers.astype(np.uint8))


def values_of(parameters: Mapping[str, Message]) -> dict[str, Any]:
    """The values of parameters, of InferParameter; None for one without a value. Raises RequestError 400."""
    if len(parameters) > MAX_PARAMETERS:
        raise RequestError(400, f"a tensor has more than {MAX_PARAMETERS} parameters")
    return {name: value_of(parameter) for name, parameter in parameters.items()}


def value_of(parameter: Message) -> Any:
    """The value of an InferParameter."""
    kind = parameter.WhichOneof("parameter_choice")
    return None if kind is None else getattr(parameter, kind)


def format_response(name: str, version: str, sent_id: str | None, tensors: Tensors, wanted: Iterable[str]) -> Message:
    """The answer with the named outputs, as bytes beside them, which is the only form that Triton's clients read."""
    response = Response(model_name=name, model_version=version, id=sent_id or "")
    for output in wanted:
        value = tensors[output]
        response.outputs.add(name=output, **described(value))
        response.raw_output_contents.append(bytes_of(value))
    return response
