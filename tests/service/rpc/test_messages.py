"""The compiled messages are those of the sources, and fit those of Triton's client."""

from typing import Any

import pytest

pytest.importorskip("grpc")  # without it, Triton's client has no messages
rpc_messages = pytest.importorskip("service.rpc.messages")
descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")


def files(compiled: bytes) -> dict[str, Any]:
    return {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file}


def test_the_compiled_messages_are_those_of_the_sources() -> None:
    pytest.importorskip("grpc_tools")
    advice = "the sources have changed; run `python -m service.rpc.messages` and commit the file"
    assert files(rpc_messages.COMPILED.read_bytes()) == files(rpc_messages.compile_sources()), advice


def test_each_field_is_that_of_triton_s_client() -> None:
    """Both are in this process, under the same names."""
    service_pb2 = pytest.importorskip("tritonclient.grpc.service_pb2")
    model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    theirs = {**messages_of(service_pb2.DESCRIPTOR), **messages_of(model_config_pb2.DESCRIPTOR)}
    ours = messages_of(rpc_messages.POOL.FindFileByName("open_inference.proto"))
    assert len(ours) > 30
    for name, fields in ours.items():
        assert fields.items() <= theirs[name].items(), name


def test_each_method_is_that_of_triton_s_client() -> None:
    service_pb2 = pytest.importorskip("tritonclient.grpc.service_pb2")
    theirs = methods_of(service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"])
    ours = methods_of(rpc_messages.POOL.FindServiceByName(rpc_messages.SERVICE))
    assert ours.items() <= theirs.items()


def test_the_data_types_are_triton_s() -> None:
    model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    ours = rpc_messages.POOL.FindEnumTypeByName("inference.DataType")
    assert {value.name: value.number for value in ours.values} == dict(model_config_pb2.DataType.items())


def messages_of(file: Any) -> dict[str, dict[str, tuple[Any, ...]]]:
    """{full name of a message: {name of a field: what is on the wire}}, also of nested ones."""
    found: dict[str, dict[str, tuple[Any, ...]]] = {}
    remaining = list(file.message_types_by_name.values())
    while remaining:
        message = remaining.pop()
        remaining += message.nested_types
        found[message.full_name] = {
            field.name: (
                field.number,
                field.type,
                field.is_repeated,
                field.message_type and field.message_type.full_name,
                field.containing_oneof and field.containing_oneof.name,
            )
            for field in message.fields
        }
    return found


def methods_of(service: Any) -> dict[str, tuple[Any, ...]]:
    return {
        method.name: (
            method.input_type.full_name,
            method.output_type.full_name,
            method.client_streaming,
            method.server_streaming,
        )
        for method in service.methods
    }
