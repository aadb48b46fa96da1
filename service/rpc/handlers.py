"""Which handler answers a call, by the path of its method."""

from collections.abc import Mapping
from typing import Any

import grpc

from service.api.problems import RequestError
from service.api.state import ServerState
from service.rpc.call import Call, Context
from service.rpc.calls import Calls
from service.rpc.inference import PATH as INFER_PATH
from service.rpc.inference import Inference
from service.rpc.messages import SERVICE, Message
from service.rpc.methods import METHODS
from service.rpc.stream import PATH as STREAM_PATH
from service.rpc.stream import Streams

MAX_PATH = 200  # characters of a path that the client has sent


class Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Finds the handler of a call.

    The calls with one message are handled as streams too, which are the same on the wire: a handler of a stream decides
    before it reads a message.
    """

    def __init__(self, server: ServerState, calls: Calls, streams: Streams, inferences: Inference) -> None:
        self._calls = calls
        self._handlers: Mapping[str, Any] = {
            **{method.path: grpc.stream_unary_rpc_method_handler(method.handler(server, calls)) for method in METHODS},
            INFER_PATH: grpc.stream_unary_rpc_method_handler(inferences.handle),
            STREAM_PATH: grpc.stream_stream_rpc_method_handler(streams.handle),
        }

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method; one that refuses if there is none."""
        path = handler_call_details.method
        return self._handlers.get(path) or grpc.stream_unary_rpc_method_handler(self._refuse(path))

    def _refuse(self, path: str) -> Any:
        async def refuse(_: Call) -> Message:
            detail = "this server has no such method"
            if path.startswith(f"/{SERVICE}/"):
                detail = "this server has no shared memory and no settings for its clients; send tensors in messages"
            raise RequestError(501, f"{path[:MAX_PATH]}: {detail}")

        async def handle(_: object, context: Context) -> bytes:
            return await self._calls.answer(Call(path, "none", context), refuse)

        return handle
