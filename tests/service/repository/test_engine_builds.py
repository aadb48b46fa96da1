"""TensorRT engines that the server builds for its GPU while another engine serves. A script stands in for the build."""

import asyncio
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import create_app
from service.bundle import Bundle, read_bundle
from service.engines import open as opening
from service.engines.open import open_engine
from service.engines.protocol import DeviceLostError, Engine, EngineError, EngineName
from service.engines.tensorrt.cache import EngineCache, EngineKey
from service.engines.tensorrt.choose import wanted_key
from service.repository import engine_builds
from service.repository.engine_builds import BuildError, EngineBuilds, Machine
from service.settings import Settings
from tests.fake_engine import FakeEngine
from tests.service.served_app import GOLDEN, async_client
from tests.tiny_bundle import write_tiny_bundle

MACHINE = Machine("sm_89", "tensorrt", "10.13.0")
ADD = """
import sys
from pathlib import Path
from service.bundle import read_bundle
from service.engines.tensorrt.cache import EngineCache
from service.engines.tensorrt.choose import wanted_key
path, cache, precision = sys.argv[1:]
print("progress 1 2 reading", "a line of TensorRT", "progress 2 2 tactics", sep="\\n")
key = wanted_key(read_bundle(Path(path)), "tensorrt", "10.13.0", "sm_89", precision, 2)
EngineCache(Path(cache)).add(key, b"engine")
"""


class Gpu:
    """A machine with a GPU: TensorRT finds its engine in the cache, ONNX Runtime's CPU provider stands in for both."""

    def __init__(self) -> None:
        self.error: Exception | None = None  # raised by the engine of TensorRT when it opens
        self.is_blind = False  # whether that engine misses the golden detections
        self.opened: list[EngineName] = []

    def __call__(self, bundle: Bundle, name: EngineName, *, cache: Path, max_batch: int, **_: object) -> Engine:
        key = wanted_key(bundle, MACHINE.flavour, MACHINE.version, MACHINE.target, "auto", max_batch)
        assert key is not None
        if name == "tensorrt" and EngineCache(cache).find(key) is None:
            raise EngineError("it has no TensorRT engine")
        engine = open_engine(bundle, "onnx", num_threads=1)
        engine.name = {"tensorrt": "tensorrt", "onnx-cuda": "onnx"}[name]
        engine.device = "cuda"
        if name == "tensorrt" and self.error is not None:
            raise self.error
        if name == "tensorrt" and self.is_blind:
            return FakeEngine()
        self.opened.append(name)
        return engine


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    for module in (opening, engine_builds):
        monkeypatch.setattr(module, "has_gpu", lambda: True)
    monkeypatch.setattr(engine_builds, "find_machine", lambda: MACHINE)
    monkeypatch.setattr(engine_builds, "LOOK_SECONDS", 0.01)
    return Gpu()


def script_of(script: str) -> Callable[[Path, EngineKey, Path], list[str]]:
    return lambda bundle, key, cache: [sys.executable, "-c", script, str(bundle), str(cache), key.file.precision]


Test = Callable[[httpx.AsyncClient], Awaitable[None]]


def serve(gpu: Gpu, bundle: Path, script: str, test: Test, **changes: Any) -> None:
    """Serve the bundle with `auto` while `script` builds, and run `test` once the server answers."""

    async def run() -> None:
        cache = bundle.parent / "cache"
        given: dict[str, Any] = {"bundles": (str(bundle),), "engine": "auto", "max_batch": 2, "engine_cache": cache}
        settings = Settings(**given | changes)
        app = create_app(settings, gpu)
        server = app.state.server
        server.builds = EngineBuilds(server.repository, settings, server.metrics, command=script_of(script))
        async with async_client(app) as client:
            await test(client)

    asyncio.run(run())


async def model_of(client: httpx.AsyncClient) -> dict[str, str]:
    (model,) = (await client.get("/models")).json()["models"]
    return dict(model)


async def until(client: httpx.AsyncClient, is_true: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    async with asyncio.timeout(60):
        while not is_true(model := await model_of(client)):  # noqa: ASYNC110 another process writes it
            await asyncio.sleep(0.01)
    return model


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny").path


def test_the_engine_is_built_and_swapped_in_without_a_lost_request(
    gpu: Gpu, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    statuses: list[int] = []

    async def test(client: httpx.AsyncClient) -> None:
        assert (await model_of(client))["engine"] == "onnx"
        is_swapped = False
        while not is_swapped:
            statuses.append((await client.post("/detect", content=GOLDEN)).status_code)
            is_swapped = (await model_of(client))["engine"] == "tensorrt"
        statuses.append((await client.post("/detect", content=GOLDEN)).status_code)
        assert (await model_of(client))["engine_note"] == ""
        metrics = (await client.get("/metrics")).text
        assert 'singleshot_engine_builds_total{model="tiny",outcome="built"} 1.0' in metrics
        assert not re.search(r"^singleshot_engine_build_progress\{", metrics, re.MULTILINE)

    serve(gpu, bundle, ADD, test)
    assert set(statuses) == {200}
    assert gpu.opened == ["onnx-cuda", "tensorrt"]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [
        "tiny: building its TensorRT engine (tensorrt 10.13.0, sm_89, fp16); another engine serves meanwhile",
        "tiny: 50 % of its TensorRT engine (reading)",
        "tiny: 100 % of its TensorRT engine (tactics)",
        "tiny: its TensorRT engine is built",
        "tiny: TensorRT serves now",
    ]


def test_the_next_start_finds_the_engine_and_builds_nothing(gpu: Gpu, bundle: Path) -> None:
    async def first(client: httpx.AsyncClient) -> None:
        await until(client, lambda model: model["engine"] == "tensorrt")

    async def second(client: httpx.AsyncClient) -> None:
        assert (await model_of(client))["engine"] == "tensorrt"

    serve(gpu, bundle, ADD, first)
    serve(gpu, bundle, "raise SystemExit('it must not run')", second)
    assert gpu.opened == ["onnx-cuda", "tensorrt", "tensorrt"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its process was killed by SIGKILL"),
        ("import sys; sys.exit('export: /cache: cannot be written (No space left on device); make room there')",
         "/cache: cannot be written (No space left on device); make room there"),
        ("import sys; sys.exit(3)", "its process ended with status 3"),
        ("import os, signal, subprocess; subprocess.Popen(['sleep', '600']); os.kill(os.getpid(), signal.SIGTERM)",
         "its process was killed by SIGTERM"),
    ],
)  # fmt: skip
def test_a_build_that_fails_is_one_line_and_the_server_goes_on(
    gpu: Gpu, bundle: Path, script: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        model = await until(client, lambda model: "no TensorRT engine was built" in model["engine_note"])
        assert reason in model["engine_note"]
        assert (await client.post("/detect", content=GOLDEN)).status_code == 200
        metrics = (await client.get("/metrics")).text
        assert 'singleshot_engine_builds_total{model="tiny",outcome="failed"} 1.0' in metrics

    serve(gpu, bundle, script, test)
    (error,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    assert error.getMessage() == (f"tiny: no TensorRT engine was built: {reason}; the present engine goes on serving")


def test_a_cache_that_cannot_be_written_is_one_line(gpu: Gpu, bundle: Path, tmp_path: Path) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        model = await until(client, lambda model: "no TensorRT engine was built" in model["engine_note"])
        assert "Not a directory; set SINGLESHOT_ENGINE_CACHE to a writable directory" in model["engine_note"]

    (tmp_path / "file").touch()
    serve(gpu, bundle, ADD, test, engine_cache=tmp_path / "file" / "cache")


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), EngineError("out of memory"), None])
def test_an_engine_that_does_not_work_leaves_the_present_one(
    gpu: Gpu, bundle: Path, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.error, gpu.is_blind = error, error is None

    async def test(client: httpx.AsyncClient) -> None:
        model = await until(client, lambda model: "the TensorRT engine does not work" in model["engine_note"])
        assert model["engine"] == "onnx"
        assert (await client.post("/detect", content=GOLDEN)).status_code == 200
        metrics = (await client.get("/metrics")).text
        assert 'singleshot_engine_builds_total{model="tiny",outcome="refused"} 1.0' in metrics
        assert 'outcome="built"' not in metrics

    serve(gpu, bundle, ADD, test)
    assert gpu.opened == ["onnx-cuda"]  # it was not opened again
    reason = "out of memory" if error else "misses 2 of 2 detections"
    assert f"its TensorRT engine does not work: {reason}" in caplog.text.replace(f"{bundle}: fake (cpu, fp32) ", "")
    refused = list((bundle.parent / "cache").glob("*.refused"))
    assert len(refused) == (1 if error is None else 0)  # memory may be there at the next start


def test_an_engine_that_was_set_aside_is_not_built_again(gpu: Gpu, bundle: Path) -> None:
    gpu.is_blind = True

    async def first(client: httpx.AsyncClient) -> None:
        await until(client, lambda model: "does not work" in model["engine_note"])

    async def second(client: httpx.AsyncClient) -> None:
        model = await until(client, lambda model: "was built and refused" in model["engine_note"])
        assert ".engine.refused to build it again" in model["engine_note"]

    serve(gpu, bundle, ADD, first)
    serve(gpu, bundle, "import sys; sys.exit('it must not run')", second)


def test_an_engine_that_makes_the_gpu_fail_is_set_aside_and_the_process_ends(gpu: Gpu, bundle: Path) -> None:
    gpu.error = DeviceLostError("the GPU answers no more")

    async def test(client: httpx.AsyncClient) -> None:
        async with asyncio.timeout(60):
            while (await client.get("/healthz")).status_code == 200:  # noqa: ASYNC110 another process writes it
                await asyncio.sleep(0.01)
        assert len(list((bundle.parent / "cache").glob("*.refused"))) == 1

    serve(gpu, bundle, ADD, test)


def test_bundles_with_the_same_model_share_its_engine(gpu: Gpu, tmp_path: Path) -> None:
    first, second = (write_tiny_bundle(tmp_path / name, name=name).path for name in ("one", "two"))

    async def test(client: httpx.AsyncClient) -> None:
        async with asyncio.timeout(60):
            while {model["engine"] for model in (await client.get("/models")).json()["models"]} != {"tensorrt"}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    serve(gpu, first, ADD, test, bundles=(str(first), str(second)))


def test_a_server_waits_for_the_engine_that_another_one_builds(gpu: Gpu, bundle: Path) -> None:
    cache = EngineCache(bundle.parent / "cache")
    key = wanted_key(read_bundle(bundle), MACHINE.flavour, MACHINE.version, MACHINE.target, "auto", 2)
    assert key is not None

    async def test(client: httpx.AsyncClient) -> None:
        await until(client, lambda model: model["engine_note"] == "another server builds the TensorRT engine")
        cache.add(key, b"engine")
        await until(client, lambda model: model["engine"] == "tensorrt")

    with cache.building(key) as lock:
        assert lock is not None
        serve(gpu, bundle, "raise SystemExit('it must not run')", test)


def test_an_engine_that_another_server_built_is_used_after_a_failed_build(gpu: Gpu, bundle: Path) -> None:
    key = wanted_key(read_bundle(bundle), MACHINE.flavour, MACHINE.version, MACHINE.target, "auto", 2)
    assert key is not None

    async def test(client: httpx.AsyncClient) -> None:
        await until(client, lambda model: "no TensorRT engine was built" in model["engine_note"])
        EngineCache(bundle.parent / "cache").add(key, b"engine")
        await until(client, lambda model: model["engine"] == "tensorrt")

    serve(gpu, bundle, "import sys; sys.exit(3)", test)


def test_a_build_ends_with_the_server(gpu: Gpu, bundle: Path) -> None:
    pid_file = bundle.parent / "pid"
    script = f"""
import os, time
open({str(pid_file)!r}, "w").write(str(os.getpid()))
print("progress 1 9 x", flush=True)
time.sleep(600)
"""

    async def test(client: httpx.AsyncClient) -> None:
        await until(client, lambda model: "its TensorRT engine is being built: 11%" in model["engine_note"])
        assert "singleshot_engine_build_progress" in (await client.get("/metrics")).text

    serve(gpu, bundle, script, test)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize(
    ("changes", "note"),
    [({"engine_build": False}, "SINGLESHOT_ENGINE_BUILD is false"), ({}, "TensorRT is not installed")],
)
def test_a_server_that_builds_nothing_says_why(
    gpu: Gpu, bundle: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, bool], note: str
) -> None:
    def find_nothing() -> Machine:
        raise BuildError("TensorRT is not installed")

    monkeypatch.setattr(engine_builds, "find_machine", find_nothing)

    async def test(client: httpx.AsyncClient) -> None:
        model = await until(client, lambda model: "no TensorRT engine is built" in model["engine_note"])
        assert note in model["engine_note"]

    serve(gpu, bundle, "raise SystemExit('it must not run')", test, **changes)
    assert gpu.opened == ["onnx-cuda"]
