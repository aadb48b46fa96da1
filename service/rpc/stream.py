"""ModelStreamInfer: any number of requests in one call, answered in their order."""

import asyncio

import grpc

from service.api.detect_routes import INFER
from service.api.problems import ANSWERED_ERRORS, Problem, RequestError, problem_of, retry_after
from service.api.request_record import RequestRecord
from service.api.state import ROOM_SECONDS, ServerState
from service.rpc.call import Call, Context
from service.rpc.calls import FAILED, CallFailedError, Calls
from service.rpc.inference import Inference
from service.rpc.messages import SERVICE, Message, inference

PATH = f"/{SERVICE}/ModelStreamInfer"
MAX_AHEAD = 32  # requests of one stream that the server has read and not answered
ENDED = "the server is shutting down; send the requests without an answer on a new stream"
Response, StreamResponse = inference("ModelInferResponse"), inference("ModelStreamInferResponse")


class Streams:
    """Answers ModelStreamInfer.

    Each request of a stream is admitted, refused, limited and recorded on its own: its error is an answer with
    `error_message`, and the stream goes on. Several are answered at once, and the answers keep the order of the
    requests, as Triton's do.
    """

    def __init__(self, server: ServerState, calls: Calls, inferences: Inference) -> None:
        self._server = server
        self._calls = calls
        self._inference = inferences
        self._readers: set[asyncio.Task[None]] = set()
        self._is_ended = False

    def end(self) -> None:
        """Read no more requests. Each stream ends with UNAVAILABLE when the requests that it has read are answered."""
        self._is_ended = True
        for reader in self._readers:
            reader.cancel()

    async def handle(self, _: object, context: Context) -> None:
        """Answer the requests of a stream until the client ends it. Without a valid key it does not begin."""
        await self._check_key(context)
        if not self._is_ended and len(self._readers) >= self._server.settings.max_requests:
            self._server.metrics.no_model.rejected["requests"].inc()
            detail = f"the server is busy: {len(self._readers)} streams are open"
            await self._calls.abort(self._call(context), Problem(503, detail, retry_after(ROOM_SECONDS)))
        if self._is_ended or not await self._answer_all(context):
            await self._calls.abort(self._call(context), Problem(503, ENDED, retry_after(ROOM_SECONDS)))

    async def _check_key(self, context: Context) -> None:
        call = self._call(context)
        try:
            self._server.access.identify(call.headers, RequestRecord())
        except RequestError as error:
            refusal = error  # Python deletes `error` at the end of this block

            async def refuse(_: Call) -> Message:
                raise refusal

            await self._calls.answer(call, refuse)

    async def _answer_all(self, context: Context) -> bool:
        """Answer the requests of a stream -> whether the client has ended it, and not the server."""
        answers: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()
        room = asyncio.Semaphore(MAX_AHEAD)
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(context, answers, room, group))
            self._readers.add(reader)
            try:
                while (answer := await answers.get()) is not None:
                    await context.write(await answer)
                    room.release()
            finally:
                self._readers.discard(reader)
        return not reader.cancelled()

    async def _read(
        self,
        context: Context,
        answers: asyncio.Queue[asyncio.Task[bytes] | None],
        room: asyncio.Semaphore,
        group: asyncio.TaskGroup,
    ) -> None:
        """Read the requests, and begin to answer each; None follows the last one."""
        try:
            while await room.acquire():
                data = await context.read()
                if data is grpc.aio.EOF:
                    break
                answers.put_nowait(group.create_task(self._answer(self._call(context), data)))
        finally:
            answers.put_nowait(None)

    async def _answer(self, call: Call, data: bytes) -> bytes:
        """The answer to one request, or its error."""

        async def infer(call: Call) -> Message:
            self._server.access.admit(call.headers, call.address, call.record)
            self._server.busy.check_lag(None)
            return await self._inference.infer(call, data, None)

        try:
            response = await self._calls.observe(call, infer)
        except ANSWERED_ERRORS as error:
            problem = problem_of(error)
        except CallFailedError:
            problem = FAILED
        else:
            self._calls.accept(call)
            response.parameters["triton_final_response"].bool_param = True
            return bytes(StreamResponse(infer_response=response).SerializeToString())
        await self._calls.hold_back(call, problem)
        failed = StreamResponse(error_message=problem.detail, infer_response=Response(id=call.message_id))
        return bytes(failed.SerializeToString())

    def _call(self, context: Context) -> Call:
        return Call(PATH, INFER, context, sent_id="")
