"""Each method of the Open Inference Protocol over gRPC, beside inference, by hand."""

import queue
from typing import Any

import pytest

from service import __version__
from service.bundle import Bundle
from tests.service.rpc.served import Code, Served, grpc, pb, refused, request, serve
from tests.service.served_app import settings
from tests.service.wait import wait_until

MAX_READING: int = pytest.importorskip("service.rpc.calls").MAX_READING
MAX_BYTES: int = pytest.importorskip("service.rpc.methods").MAX_BYTES

UNKNOWN = [{"name": "other"}, {"name": "TINY"}, {"name": ""}, {"name": "tiny", "version": "2"}]


def test_a_ready_server_says_so(served: Served) -> None:
    stub = served.stub
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    for version in ("", "1"):
        assert stub.ModelReady(pb.ModelReadyRequest(name="tiny", version=version)).ready


def test_a_server_without_a_model_is_live_and_not_ready(tiny_bundle: Bundle) -> None:
    with serve(settings(tiny_bundle.path, model_control=True, grpc_port=0)) as served:
        stub = served.stub
        stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="tiny"))
        assert stub.ServerLive(pb.ServerLiveRequest()).live
        assert not stub.ServerReady(pb.ServerReadyRequest()).ready
        assert not stub.ModelReady(pb.ModelReadyRequest(name="tiny")).ready
        assert stub.ServerMetadata(pb.ServerMetadataRequest()).version == __version__
        assert not stub.RepositoryIndex(pb.RepositoryIndexRequest(ready=True)).models
        assert refused(Code.NOT_FOUND, stub.ModelInfer, request())


@pytest.mark.parametrize("model", UNKNOWN)
def test_an_unknown_model_or_version_is_not_found(served: Served, model: dict[str, str]) -> None:
    stub = served.stub
    assert not stub.ModelReady(pb.ModelReadyRequest(**model)).ready
    assert refused(Code.NOT_FOUND, stub.ModelMetadata, pb.ModelMetadataRequest(**model))
    assert refused(Code.NOT_FOUND, stub.ModelConfig, pb.ModelConfigRequest(**model))
    if model["name"]:  # without one, the statistics are of all models
        assert refused(Code.NOT_FOUND, stub.ModelStatistics, pb.ModelStatisticsRequest(**model))
    wanted = request(model_name=model["name"], model_version=model.get("version", ""))
    assert refused(Code.NOT_FOUND, stub.ModelInfer, wanted)


def test_small_messages_that_do_not_arrive_are_limited_in_number(tiny_bundle: Bundle) -> None:
    with serve(settings(tiny_bundle.path, grpc_port=0)) as served:
        path = "/inference.GRPCInferenceService/ServerLive"
        never: queue.Queue[bytes] = queue.Queue()
        slow = [served.channel.stream_unary(path).future(iter(never.get, b"")) for _ in range(MAX_READING)]
        wait_until(lambda: rejected(served) > 0)
        assert served.stub.ModelInfer(request()).outputs
        for call in slow:
            call.cancel()
            never.put(b"")
        wait_until(lambda: is_live(served))


def rejected(served: Served) -> float:
    """How many calls were refused, after another one."""
    is_live(served)
    labels = {"model": "", "version": "", "reason": "requests"}
    return served.app.state.server.metrics.registry.get_sample_value("singleshot_rejected_total", labels) or 0.0


def is_live(served: Served) -> bool:
    """Whether the server answers, and does not refuse."""
    call = served.stub.ServerLive.future(pb.ServerLiveRequest())
    return call.code() is Code.OK


def test_the_messages_of_other_methods_than_inference_are_small(tiny_bundle: Bundle) -> None:
    with serve(settings(tiny_bundle.path, grpc_port=0)) as served:
        large = pb.ModelReadyRequest(name="x" * MAX_BYTES)
        assert "the most for this method" in refused(Code.INVALID_ARGUMENT, served.stub.ModelReady, large).details()


def test_loading_is_denied_unless_the_settings_allow_it(served: Served) -> None:
    stub = served.stub
    for call, message in (
        (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name="tiny")),
        (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="tiny")),
    ):
        assert "MODEL_CONTROL" in refused(Code.PERMISSION_DENIED, call, message).details()


def test_there_is_one_repository(served: Served) -> None:
    message = pb.RepositoryIndexRequest(repository_name="other")
    assert "repository_name" in refused(Code.INVALID_ARGUMENT, served.stub.RepositoryIndex, message).details()


def test_what_triton_has_beside_it_is_unimplemented_and_the_reason_is_given(served: Served) -> None:
    stub = served.stub
    for call, message in (
        (stub.SystemSharedMemoryStatus, pb.SystemSharedMemoryStatusRequest()),
        (stub.CudaSharedMemoryRegister, pb.CudaSharedMemoryRegisterRequest()),
        (stub.TraceSetting, pb.TraceSettingRequest()),
        (stub.LogSettings, pb.LogSettingsRequest()),
    ):
        assert "has no shared memory" in refused(Code.UNIMPLEMENTED, call, message).details()
    unknown = served.channel.stream_stream(f"/inference.GRPCInferenceService/{'N' * 5000}")
    assert len(refused(Code.UNIMPLEMENTED, lambda: list(unknown(iter([b""])))).details()) < 1000


def test_a_message_of_another_kind_is_an_invalid_argument(served: Served) -> None:
    for path in ("ModelInfer", "ModelMetadata"):
        call = served.channel.unary_unary(f"/inference.GRPCInferenceService/{path}")
        assert f"is no {path}Request" in refused(Code.INVALID_ARGUMENT, call, b"\xff\xff").details()


def test_a_call_without_a_message_is_an_invalid_argument(served: Served) -> None:
    call: Any = served.channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
    assert "no message" in refused(Code.INVALID_ARGUMENT, call, iter([])).details()


@pytest.mark.parametrize(("service", "is_known"), [("", True), ("liveness", True), ("other", False)])
def test_the_health_protocol_answers_for_probes(served: Served, service: str, is_known: bool) -> None:
    """The messages have one field each, so that they are written by hand: `service` = 1, and `status` = 1."""
    check = served.channel.unary_unary("/grpc.health.v1.Health/Check")
    message = b"\x0a" + bytes([len(service)]) + service.encode()
    if is_known:
        assert check(message) == b"\x08\x01"  # SERVING
    else:
        refused(Code.NOT_FOUND, check, message)


def test_a_draining_server_is_not_ready_and_not_serving(tiny_bundle: Bundle) -> None:
    with serve(settings(tiny_bundle.path, grpc_port=0)) as served:
        served.app.state.server.is_draining = True
        assert not served.stub.ServerReady(pb.ServerReadyRequest()).ready
        check = served.channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"") == b"\x08\x02"  # NOT_SERVING
        assert check(b"\x0a\x08liveness") == b"\x08\x01"
        assert served.stub.ModelInfer(request(), compression=grpc.Compression.NoCompression).outputs
