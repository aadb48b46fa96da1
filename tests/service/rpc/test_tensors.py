"""Tensors of gRPC by hand: as bytes, as numbers, and what does not fit."""

from typing import Any

import numpy as np
import pytest

from tests.service.rpc.served import Code, Served, pb, raw, refused, request, tensor, trailing
from tests.service.served_app import GOLDEN
from tests.tiny_bundle import golden_image

WORDS_OF_PARAMETERS = [
    ({"treshold": pb.InferParameter(int64_param=1)}, "parameters.treshold"),
    ({"model": pb.InferParameter(string_param="tiny")}, "the path has it"),
    ({"timeout": pb.InferParameter(string_param="soon")}, "timeout"),
    ({"timeout": pb.InferParameter(int64_param=-1)}, "timeout"),
    ({"max_detections": pb.InferParameter(uint64_param=2**64 - 1)}, "parameters.max_detections"),
]


def pixel(shape: tuple[int, ...] = (1, 1, 1, 3), datatype: str = "UINT8", **contents: Any) -> Any:
    """An input with an image of one pixel."""
    return tensor("images", datatype, shape, **contents)


def outputs_of(response: Any) -> dict[str, tuple[str, list[int], bytes]]:
    """{name: datatype, shape, bytes} of the outputs."""
    parts = zip(response.outputs, response.raw_output_contents, strict=True)
    return {output.name: (output.datatype, list(output.shape), data) for output, data in parts}


@pytest.mark.parametrize(
    "sent",
    [
        request(tensor(bytes_contents=[GOLDEN])),
        request(tensor(), raw_inputs=(raw(GOLDEN),)),
        request(tensor("images", "UINT8", (1, 64, 64, 3), uint_contents=golden_image().ravel().tolist())),
        request(tensor("images", "UINT8", (64, 64, 3)), raw_inputs=(golden_image().tobytes(),)),
    ],
    ids=["typed BYTES", "raw BYTES", "typed UINT8", "raw UINT8"],
)
def test_each_form_of_an_image_gives_the_same_outputs_as_bytes(served: Served, sent: Any) -> None:
    outputs = outputs_of(served.stub.ModelInfer(sent))
    assert list(outputs) == ["boxes", "scores", "labels", "class_names", "num_detections"]
    assert outputs["class_names"] == ("BYTES", [1, 2], raw(b"red", b"green"))
    assert outputs["num_detections"] == ("INT32", [1], np.array([2], np.int32).tobytes())
    datatype, shape, data = outputs["boxes"]
    assert (datatype, shape) == ("FP32", [1, 2, 4])
    assert np.frombuffer(data, np.float32).reshape(shape)[0, 0].tolist() == [16, 16, 32, 32]


def test_only_the_requested_outputs_are_given_in_their_order(served: Served) -> None:
    wanted = [pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in ("labels", "scores")]
    assert list(outputs_of(served.stub.ModelInfer(request(outputs=wanted)))) == ["labels", "scores"]


def test_the_identifier_and_the_names_are_given_back(served: Served) -> None:
    response = served.stub.ModelInfer(request(id="42", model_version="1"))
    assert (response.id, response.model_name, response.model_version) == ("42", "tiny", "1")


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (pb.ModelInferRequest(model_name="tiny"), "inputs"),
        (request(tensor(bytes_contents=[GOLDEN]), tensor(bytes_contents=[GOLDEN])), "one input"),
        (request(tensor()), "does not fit 0 elements"),
        (request(tensor(shape=(2,), bytes_contents=[GOLDEN])), "does not fit 1 elements"),
        (request(tensor(bytes_contents=[GOLDEN]), raw_inputs=(raw(GOLDEN),)), "both contents and raw_input_contents"),
        (request(tensor(), raw_inputs=(raw(GOLDEN), b"")), "2 raw_input_contents do not fit 1 inputs"),
        (request(tensor(), raw_inputs=(b"\x05\0\0\0ab",)), "cut short at byte 0"),
        (request(tensor(uint_contents=[1])), "BYTES should be in bytes_contents, not in uint_contents"),
        (request(pixel(int_contents=[1, 2, 3])), "UINT8 should be in uint_contents, not in int_contents"),
        (request(pixel(uint_contents=[1, 2, 256])), "0 to 255"),
        (request(pixel(uint_contents=[1, 2])), "does not fit 2 values"),
        (request(pixel(shape=(-1, -1, 1, 3), uint_contents=[1, 2, 3])), "negative"),
        (request(pixel(shape=(0, 2**62, 2**62, 3))), "more than"),
        (request(pixel(shape=(1,) * 9, uint_contents=[1])), "shape"),
        (request(pixel(shape=(1, 1, 1, 4), uint_contents=[1] * 4)), "it should be [B, H, W, 3]"),
        (request(pixel(datatype="FP32", fp32_contents=[1, 2, 3])), "takes BYTES and UINT8"),
        (request(tensor("pixels", "UINT8", (1, 1, 1, 3), uint_contents=[1, 2, 3])), "no input pixels"),
        (request(tensor(shape=(5,), bytes_contents=[GOLDEN] * 5)), "1 to 4 images"),
        (request(outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="masks")]), "no output 'masks'"),
        (request(tensor("image", bytes_contents=[b"hello"])), "image 0: not an image"),
        (request(tensor("images", "UINT8", (1, 101, 100, 3)), raw_inputs=(bytes(30_300),)), "10000 pixels"),
        *((request(parameters=parameters), words) for parameters, words in WORDS_OF_PARAMETERS),
    ],
)
def test_what_does_not_fit_is_an_invalid_argument(served: Served, sent: Any, words: str) -> None:
    error = refused(Code.INVALID_ARGUMENT, served.stub.ModelInfer, sent)
    assert words in error.details()
    assert trailing(error)["x-request-id"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"inputs": [tensor()] * 1001}, "more than 1000 inputs"),
        ({"raw_input_contents": [b""] * 1001}, "more than 1000 inputs"),
        ({"inputs": [tensor(shape=(0,) * 1001)]}, "more than 1000 sides"),
        ({"inputs": [tensor(bytes_contents=[b""] * 10_001)]}, "10000 elements at most"),
    ],
)
def test_too_many_parts_are_refused_before_the_model_is_chosen(
    served: Served, fields: dict[str, Any], words: str
) -> None:
    sent = pb.ModelInferRequest(id="a", model_name="other", **fields)
    assert words in refused(Code.INVALID_ARGUMENT, served.stub.ModelInfer, sent).details()
    (answer,) = served.stub.ModelStreamInfer(iter([sent]))
    assert words in answer.error_message
    assert answer.infer_response.id == "a"


@pytest.mark.parametrize("region", ["shared_memory_region", "classification"])
def test_shared_memory_and_classification_are_refused(served: Served, region: str) -> None:
    value = pb.InferParameter(int64_param=1)
    described = tensor()
    described.parameters[region].CopyFrom(value)
    error = refused(Code.INVALID_ARGUMENT, served.stub.ModelInfer, request(described, raw_inputs=(raw(GOLDEN),)))
    assert f"does not support the parameter {region}" in error.details()
    output = pb.ModelInferRequest.InferRequestedOutputTensor(name="scores", parameters={region: value})
    error = refused(Code.INVALID_ARGUMENT, served.stub.ModelInfer, request(outputs=[output]))
    assert f"does not support the parameter {region}" in error.details()
