"""Tensors in messages of the Open Inference Protocol v2: as JSON, or as bytes after the JSON (the binary extension)."""

import base64
import binascii
import math
import struct
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, StrictInt, ValidationError
from pydantic_core import from_json, to_json

from service.api.headers import whole_number
from service.api.open_inference.json_numbers import Extracted, check_num_values, extract_numbers
from service.api.problems import RequestError
from service.errors import validation_problems

LENGTH = struct.Struct("<I")  # before each element of a BYTES tensor
MAX_BYTES_ELEMENTS = 10_000  # far more than a request may hold images
MAX_ELEMENTS = 2**40  # far more than a body holds
Schema = TypeVar("Schema", bound=BaseModel)
DATATYPES = {"float32": "FP32", "int32": "INT32"}


class InputTensor(BaseModel):
    """One tensor of a request; its data are here, or after the JSON if the parameter `binary_data_size` is set."""

    name: str
    datatype: str
    shape: list[StrictInt] = Field(max_length=8)
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class RequestedOutput(BaseModel):
    """One tensor that the client requests."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    """The JSON part of an inference request."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InputTensor] = Field(min_length=1)
    outputs: list[RequestedOutput] = []


def parse_request(body: bytes, header_length: str | None) -> tuple[InferRequest, list[Any]]:
    """The request and the value of each input: a uint8 array, or a list of bytes. Raises RequestError 400.

    `header_length` is the header Inference-Header-Content-Length: the number of bytes of JSON at the start of the body.
    """
    num_json = len(body) if header_length is None else whole_number(header_length)
    if num_json is None or num_json > len(body):
        wanted = f"it should be a number of bytes from 0 to {len(body)}, the length of the body"
        raise RequestError(400, f"Inference-Header-Content-Length is {header_length!r}, {wanted}")
    extracted = extract_numbers(body[:num_json], uuid.uuid4().hex)
    request = parse_json(InferRequest, extracted.text)
    rest = memoryview(body)[num_json:]
    values = []
    for tensor in request.inputs:
        check_type(tensor)
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            values.append(_from_json(tensor, extracted))
            continue
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
            found = f"binary_data_size is {size!r}, the body holds {len(rest)} bytes more"
            raise RequestError(400, f"{tensor.name}: {found}")
        if tensor.data is not None:
            raise RequestError(400, f"{tensor.name}: it has both data and binary_data_size; send one of them")
        values.append(from_bytes(tensor, rest[:size]))
        rest = rest[size:]
    if len(rest):
        raise RequestError(400, f"the body holds {len(rest)} bytes that no input claims")
    return request, values


def parse_json(schema: type[Schema], text: bytes) -> Schema:
    """The document as an instance of `schema`; raises RequestError 400, and 413 if it has too many values."""
    check_num_values(text)
    try:
        return schema.model_validate(from_json(text, allow_inf_nan=False))
    except ValidationError as error:
        raise RequestError(400, validation_problems(error.errors())) from error
    except ValueError as error:
        raise RequestError(400, f"the body is not valid JSON: {error}") from error


def _from_json(tensor: InputTensor, extracted: Extracted) -> Any:
    data = tensor.data
    if data is None:
        raise RequestError(400, f"{tensor.name}: it has neither data nor binary_data_size")
    is_numbers = bool(data) and data[0] == extracted.token
    if tensor.datatype == "BYTES":
        try:
            elements = [base64.b64decode(element, validate=True) for element in _flat([0] if is_numbers else data)]
        except (binascii.Error, TypeError, ValueError) as error:
            raise RequestError(400, f"{tensor.name}: in JSON a BYTES element is a base64 string: {error}") from error
        return counted(tensor, elements)
    if is_numbers:
        return shaped(tensor, extracted.numbers[data[1]])
    if _flat(data):
        raise RequestError(400, f"{tensor.name}: data should be integers from 0 to 255")
    return shaped(tensor, np.empty(0, np.uint8))


def from_bytes(tensor: InputTensor, data: memoryview) -> Any:
    """The value of a tensor whose data are bytes, as after the JSON and in gRPC; raises RequestError 400."""
    if tensor.datatype != "BYTES":
        return shaped(tensor, np.frombuffer(data, np.uint8))
    if math.prod(tensor.shape) > MAX_BYTES_ELEMENTS:
        raise RequestError(400, f"{tensor.name}: a BYTES tensor has {MAX_BYTES_ELEMENTS} elements at most")
    elements: list[bytes] = []
    at = 0
    while at < len(data) and len(elements) <= math.prod(tensor.shape):
        if at + LENGTH.size > len(data) or at + LENGTH.size + LENGTH.unpack_from(data, at)[0] > len(data):
            raise RequestError(400, f"{tensor.name}: an element of the BYTES tensor is cut short at byte {at}")
        start = at + LENGTH.size
        at = start + LENGTH.unpack_from(data, at)[0]
        elements.append(bytes(data[start:at]))
    return counted(tensor, elements)


def counted(tensor: InputTensor, elements: list[bytes]) -> list[bytes]:
    """The elements of a BYTES tensor; raises RequestError 400 if its shape is for another number of them."""
    if len(elements) != math.prod(tensor.shape):
        raise RequestError(400, f"{tensor.name}: shape {tensor.shape} does not fit {len(elements)} elements")
    return elements


def shaped(tensor: InputTensor, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The values of a UINT8 tensor in its shape; raises RequestError 400 if it is for another number of them."""
    if values.size != math.prod(tensor.shape):
        raise RequestError(400, f"{tensor.name}: shape {tensor.shape} does not fit {values.size} values")
    return values.reshape(tensor.shape)


def check_type(tensor: InputTensor) -> None:
    """Raise RequestError 400 if the server does not take the datatype, or if no array can have the shape."""
    if tensor.datatype not in ("BYTES", "UINT8"):
        raise RequestError(400, f"{tensor.name}: datatype is {tensor.datatype}, this server takes BYTES and UINT8")
    if any(side < 0 for side in tensor.shape):
        raise RequestError(400, f"{tensor.name}: shape {tensor.shape} has a negative side")
    if math.prod(max(side, 1) for side in tensor.shape) > MAX_ELEMENTS:  # NumPy also counts the sides beside a 0
        raise RequestError(400, f"{tensor.name} has more than {MAX_ELEMENTS} elements: shape {tensor.shape}")


def _flat(data: Iterable[Any]) -> list[Any]:
    return [part for item in data for part in (_flat(item) if isinstance(item, list) else [item])]


def format_response(
    head: Mapping[str, Any], outputs: Mapping[str, NDArray[Any] | list[list[str]]], is_binary: Mapping[str, bool]
) -> tuple[bytes, int | None]:
    """The body of an answer with the named outputs, and the length of its JSON if bytes follow.

    An output is an array, or a list of rows of strings, which is a BYTES tensor.
    """
    entries: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for name, wants_bytes in is_binary.items():
        value = outputs[name]
        entry: dict[str, Any] = {"name": name, **described(value)}
        if wants_bytes:
            blob = bytes_of(value)
            entry["parameters"] = {"binary_data_size": len(blob)}
            blobs.append(blob)
        elif isinstance(value, list):
            entry["data"] = [element for row in value for element in row]
        else:
            entry["data"] = value.ravel().tolist()
        entries.append(entry)
    text = to_json({**head, "outputs": entries})
    return text + b"".join(blobs), len(text) if blobs else None


def described(value: NDArray[Any] | list[list[str]]) -> dict[str, Any]:
    """The datatype and the shape of an output."""
    if isinstance(value, list):
        return {"datatype": "BYTES", "shape": [len(value), len(value[0]) if value else 0]}
    return {"datatype": DATATYPES[value.dtype.name], "shape": list(value.shape)}


def bytes_of(value: NDArray[Any] | list[list[str]]) -> bytes:
    """An output as bytes: little-endian numbers, or strings of which each follows its length."""
    if not isinstance(value, list):
        return value.tobytes()
    elements = [element.encode() for row in value for element in row]
    return b"".join([part for element in elements for part in (LENGTH.pack(len(element)), element)])
