"""The classes of the messages, from `messages.binpb`.

They have a pool of descriptors of their own: Triton's client registers messages of the same names in the common one,
and a process may need both.
"""

import argparse
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Message = Any  # protobuf makes the classes when they are needed, so that no checker knows their fields
FOLDER = Path(__file__).parent
SERVICE, HEALTH = "inference.GRPCInferenceService", "grpc.health.v1.Health"
SOURCES = ("open_inference.proto", "health.proto")
COMPILED = FOLDER / "messages.binpb"


def read_pool(compiled: bytes) -> descriptor_pool.DescriptorPool:
    """The descriptors of a FileDescriptorSet."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        pool.Add(file)
    return pool


POOL = read_pool(COMPILED.read_bytes())


def message_class(name: str) -> Any:
    """The class of a message by its full name."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


def inference(name: str) -> Any:
    """The class of a message of the Open Inference Protocol."""
    return message_class(f"inference.{name}")


def compile_sources() -> bytes:
    """Compile the sources -> a FileDescriptorSet; it needs the package grpcio-tools."""
    from grpc_tools import protoc

    target = COMPILED.with_suffix(".new")
    try:
        if protoc.main(["protoc", f"--proto_path={FOLDER}", f"--descriptor_set_out={target}", *SOURCES]):
            raise ValueError(f"{FOLDER}: protoc refuses {' or '.join(SOURCES)}; its message is above")
        return target.read_bytes()
    finally:
        target.unlink(missing_ok=True)


def main() -> None:
    """Compile the sources again."""
    argparse.ArgumentParser(
        prog="python -m service.rpc.messages", description=f"Compile {' and '.join(SOURCES)} to {COMPILED.name}."
    ).parse_args()
    COMPILED.write_bytes(compile_sources())
    print(COMPILED)


if __name__ == "__main__":
    main()
