"""Models that are loaded, unloaded and replaced while the server runs."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest

from service.api.app import create_app
from service.bundle import GOLDEN as GOLDEN_FILE
from service.bundle import MODEL, Bundle, BundleError, read_bundle, write_bundle
from service.engines.open import open_engine
from service.engines.protocol import DeviceLostError, Engine, EngineError, EngineName
from service.repository.repository import Repository
from service.repository.slot import signature_of
from service.telemetry import model_metrics
from tests.asgi_client import AsgiClient
from tests.service.faulty_engine import FaultyEngines
from tests.service.served_app import GOLDEN, labels, problem, settings
from tests.tiny_bundle import png, write_tiny_bundle


def served(client: AsgiClient) -> list[tuple[str, str]]:
    return [(model["name"], model["version"]) for model in client.get("/models").json()["models"]]


def repository_of(app: FastAPI) -> Repository:
    repository: Repository = app.state.server.repository
    return repository


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_tiny_bundle(tmp_path / "bundle")


def test_a_bundle_that_changed_on_disk_is_served(bundle: Bundle) -> None:
    app = create_app(settings(bundle.path))
    with AsgiClient(app) as client:
        client.run(repository_of(app).poll())
        write_tiny_bundle(bundle.path, version="2")
        client.run(repository_of(app).poll())
        assert served(client) == [("tiny", "2")]
        assert len(labels(client.post("/detect", content=GOLDEN))) == 2
        metrics = client.get("/metrics").text
        assert re.findall(r'^singleshot_model_info\{.*version="(.*)"\} 1.0$', metrics, re.MULTILINE) == ["2"]
        assert re.findall(r'^singleshot_queue_depth\{.*version="(.*)"\} 0.0$', metrics, re.MULTILINE) == ["2"]
        assert 'singleshot_model_loads_total{model="tiny",outcome="loaded"} 1.0' in metrics


def break_hash(bundle: Bundle) -> None:
    bundle.model_path.write_bytes(b"cut short")


def break_golden(bundle: Bundle) -> None:
    write_tiny_bundle(bundle.path, version="2")
    black = png(np.zeros((64, 64, 3), np.uint8))
    files = {MODEL: bundle.model_path.read_bytes(), GOLDEN_FILE: black}
    write_bundle(bundle.path, read_bundle(bundle.path).manifest, files)


def break_golden_file(bundle: Bundle) -> None:
    files = {MODEL: bundle.model_path.read_bytes(), GOLDEN_FILE: b"no image"}
    write_bundle(bundle.path, read_bundle(bundle.path).manifest, files)


def rename(bundle: Bundle) -> None:
    write_tiny_bundle(bundle.path, name="other")


def test_each_canary_gets_its_share_of_its_own_model(bundle: Bundle, tmp_path: Path) -> None:
    other = write_tiny_bundle(tmp_path / "other", name="other")
    canaries = [
        str(write_tiny_bundle(tmp_path / f"{name}-2", name=name, version="2").path) for name in ("tiny", "other")
    ]
    app = create_app(settings(bundle.path, other.path, canaries=tuple(canaries), canary_share=0.5))
    with AsgiClient(app):
        chosen = [repository_of(app).choose(name).version for _ in range(4) for name in ("tiny", "other")]
    assert chosen == ["1", "1", "2", "2"] * 2


@pytest.mark.parametrize(
    ("damage", "words"), [(break_hash, "SHA-256"), (break_golden, "misses 2 of 2"), (rename, "its name is other")]
)
def test_a_bad_bundle_is_refused_and_the_old_one_stays(
    bundle: Bundle, damage: Callable[[Bundle], None], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings(bundle.path))
    with AsgiClient(app) as client:
        damage(bundle)
        for _ in range(2):  # it is refused once, not at every look
            client.run(repository_of(app).poll())
        assert served(client) == [("tiny", "1")]
        assert client.get("/readyz").status_code == 200
        assert len(labels(client.post("/detect", content=GOLDEN))) == 2
        (slot,) = repository_of(app).slots
        assert words in slot.reason
        assert len(caplog.records) == 1
        write_tiny_bundle(bundle.path, version="3")
        client.run(repository_of(app).poll())
        assert served(client) == [("tiny", "3")]
        assert slot.reason == ""


def test_a_bundle_deleted_from_disk_is_still_served(bundle: Bundle, tmp_path: Path) -> None:
    app = create_app(settings(bundle.path))
    with AsgiClient(app) as client:
        bundle.path.rename(tmp_path / "elsewhere")
        client.run(repository_of(app).poll())
        assert served(client) == [("tiny", "1")]


def test_the_disk_is_watched(bundle: Bundle) -> None:
    app = create_app(settings(bundle.path, reload_seconds=0.001))
    write_tiny_bundle(bundle.path, version="2")

    async def changed() -> None:
        async with asyncio.timeout(60):
            while repository_of(app).models[0].version != "2":  # noqa: ASYNC110 the disk gives no event
                await asyncio.sleep(0)

    with AsgiClient(app) as client:
        client.run(changed())


def with_engines(
    bundle: Bundle, test: Callable[[FastAPI, httpx.AsyncClient, FaultyEngines], Awaitable[None]], **changes: Any
) -> None:
    """Run `test` on an application whose engines it controls."""

    async def run() -> None:
        engines = FaultyEngines()
        app = create_app(settings(bundle.path, **{"engine_streams": 1, "watchdog_seconds": 3600, **changes}), engines)
        transport = httpx.ASGITransport(app)
        async with (
            app.state.server.running(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            await test(app, client, engines)

    asyncio.run(run())


def test_a_request_finishes_on_the_model_that_it_started_with(bundle: Bundle) -> None:
    async def test(app: FastAPI, client: httpx.AsyncClient, engines: FaultyEngines) -> None:
        old = engines.opened[0]
        old.may_run.clear()
        old.has_begun.clear()
        first = asyncio.create_task(client.post("/detect", content=GOLDEN))
        await asyncio.to_thread(old.has_begun.wait, 60)
        write_tiny_bundle(bundle.path, version="2")
        await repository_of(app).poll()
        new = engines.opened[1]
        new.has_begun.clear()
        assert len(labels(await client.post("/detect", content=GOLDEN))) == 2
        assert new.has_begun.is_set()
        assert not first.done()
        assert not old.is_closed.is_set()
        old.may_run.set()
        assert len(labels(await first)) == 2
        assert await asyncio.to_thread(old.is_closed.wait, 60)

    with_engines(bundle, test)


def test_a_request_whose_body_still_arrives_finishes_on_its_model_too(bundle: Bundle) -> None:
    async def test(app: FastAPI, client: httpx.AsyncClient, engines: FaultyEngines) -> None:
        is_reading, may_end = asyncio.Event(), asyncio.Event()

        async def slow_body() -> Any:
            is_reading.set()
            await may_end.wait()
            yield GOLDEN

        first = asyncio.create_task(client.post("/detect", content=slow_body()))
        await is_reading.wait()
        await repository_of(app).unload("tiny")
        may_end.set()
        assert len(labels(await first)) == 2
        assert await asyncio.to_thread(engines.opened[0].is_closed.wait, 60)

    with_engines(bundle, test)


def test_an_unloaded_model_is_not_served_until_it_is_loaded(bundle: Bundle, tmp_path: Path) -> None:
    other = write_tiny_bundle(tmp_path / "other", name="other")
    app = create_app(settings(bundle.path, other.path))
    with AsgiClient(app) as client:
        client.run(repository_of(app).unload("tiny"))
        client.run(repository_of(app).poll())
        assert served(client) == [("other", "1")]
        problem(client.post("/detect?model=tiny", content=GOLDEN), 404)
        assert client.post("/detect", content=GOLDEN).json()["model"] == "other"
        client.run(repository_of(app).unload("other"))
        assert "no model is loaded" in problem(client.get("/readyz"), 503)
        problem(client.post("/detect", content=GOLDEN), 404)
        client.run(repository_of(app).load("tiny"))
        assert served(client) == [("tiny", "1")]


def test_a_canary_gets_its_share(bundle: Bundle, tmp_path: Path) -> None:
    canary = write_tiny_bundle(tmp_path / "canary", version="2")
    app = create_app(settings(bundle.path, canaries=(str(canary.path),), canary_share=0.25))
    with AsgiClient(app) as client:
        shares = {model["version"]: model["share"] for model in client.get("/models").json()["models"]}
        assert shares == {"1": 0.75, "2": 0.25}
        chosen = Counter[str]()
        for _ in range(40):
            chosen[repository_of(app).choose(None).version] += 1
            assert client.get("/v2/models/tiny/ready").status_code == 200  # gets nothing of the canary's share
        assert chosen == {"1": 30, "2": 10}
        assert repository_of(app).choose("tiny", "2").version == "2"
        assert len(labels(client.post("/detect?version=2", content=GOLDEN))) == 2
        assert "1, 2" in problem(client.post("/detect?version=3", content=GOLDEN), 404)


def test_the_refusal_to_load_an_unknown_model_names_a_model_with_a_canary_once(bundle: Bundle, tmp_path: Path) -> None:
    canary = write_tiny_bundle(tmp_path / "canary", version="2")
    app = create_app(settings(bundle.path, canaries=(str(canary.path),), model_control=True))
    with AsgiClient(app) as client:
        assert problem(client.post("/v2/repository/models/other/load"), 400).endswith("there are tiny")


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [("other", "2", "no model of that name"), ("tiny", "1", "version 1 of tiny is served already")],
)
def test_a_canary_of_another_model_or_of_a_served_version_is_refused(
    bundle: Bundle, tmp_path: Path, name: str, version: str, words: str
) -> None:
    canary = write_tiny_bundle(tmp_path / "canary", name=name, version=version)
    with pytest.raises(BundleError, match=words):
        create_app(settings(bundle.path, canaries=(str(canary.path),), strict_bundles=True))
    app = create_app(settings(bundle.path, canaries=(str(canary.path),)))
    (slot,) = [slot for slot in repository_of(app).slots if slot.fault is not None]
    assert words in slot.reason


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_reload_that_would_serve_a_version_twice_is_refused(bundle: Bundle, tmp_path: Path, version: str) -> None:
    canary = write_tiny_bundle(tmp_path / "canary", version="2")
    app = create_app(settings(bundle.path, canaries=(str(canary.path),)))
    with AsgiClient(app) as client:
        write_tiny_bundle(canary.path if version == "1" else bundle.path, version=version)
        client.run(repository_of(app).poll())
        assert served(client) == [("tiny", "1"), ("tiny", "2")]
        (fault,) = client.get("/readyz").json()["faults"]
        assert f"version {version} of tiny is served already" in fault["reason"]


def faults_in(metrics: str) -> list[str]:
    """The labels of the metric of faulty bundles that are 1."""
    return re.findall(r"singleshot_bundle_fault\{(.*)\} 1\.0", metrics)


def test_a_bad_bundle_at_the_start_does_not_keep_the_others_from_being_served(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = write_tiny_bundle(tmp_path / "good", name="good")
    break_hash(bundle)
    for order in ((good.path, bundle.path), (bundle.path, good.path)):
        app = create_app(settings(*order))
        with AsgiClient(app) as client:
            assert served(client) == [("good", "1")]
            for path in ("/readyz", "/models"):
                (fault,) = client.get(path).json()["faults"]
                assert (fault["bundle"], fault["model"], fault["fault"]) == (str(bundle.path), "tiny", "refused")
                assert "SHA-256" in fault["reason"]
            assert f'bundle="{bundle.path}",fault="refused",model="tiny"' in faults_in(client.get("/metrics").text)
            assert len(labels(client.post("/detect?model=good", content=GOLDEN))) == 2
            assert "SHA-256" in problem(client.post("/detect?model=tiny", content=GOLDEN), 503)
            assert "SHA-256" in problem(client.get("/v2/models/tiny/ready"), 503)
            assert 'rejected_total{model="",reason="bundle",version=""} 1.0' in client.get("/metrics").text
            unnamed = client.post("/detect", content=GOLDEN)
            if order[0] == good.path:
                assert len(labels(unnamed)) == 2
            else:  # no other model answers instead of the default one
                assert "SHA-256" in problem(unnamed, 503)
                assert int(unnamed.headers["retry-after"]) > 0
    assert {vars(record)["event"] for record in caplog.records if record.levelname == "ERROR"} == {"bundle_refused"}
    with pytest.raises(BundleError, match="SHA-256"):
        create_app(settings(good.path, bundle.path, strict_bundles=True))


@pytest.mark.parametrize(("damage", "words"), [(break_hash, "SHA-256"), (break_golden_file, "not an image")])
def test_a_server_without_any_good_bundle_does_not_start(
    bundle: Bundle, tmp_path: Path, damage: Callable[[Bundle], None], words: str
) -> None:
    damage(bundle)
    for is_strict in (False, True):
        with pytest.raises((BundleError, EngineError), match=words):
            create_app(settings(bundle.path, tmp_path / "nowhere", strict_bundles=is_strict))


def test_a_bundle_that_was_bad_at_the_start_may_get_another_name(bundle: Bundle, tmp_path: Path) -> None:
    good = write_tiny_bundle(tmp_path / "good", name="good")
    break_hash(bundle)
    app = create_app(settings(bundle.path, good.path))
    with AsgiClient(app) as client:
        rename(bundle)
        client.run(repository_of(app).poll())
        assert served(client) == [("other", "1"), ("good", "1")]


def test_a_canary_does_not_answer_in_place_of_a_main_version_that_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    canary = write_tiny_bundle(tmp_path / "canary", version="3")
    break_golden(bundle)
    app = create_app(settings(bundle.path, canaries=(str(canary.path),), canary_share=0.5))
    with AsgiClient(app) as client:
        for path in ("/detect", "/detect?model=tiny"):
            assert "misses 2 of 2" in problem(client.post(path, content=GOLDEN), 503)
        assert client.post("/detect?version=3", content=GOLDEN).json()["version"] == "3"


def test_a_bundle_that_was_bad_at_the_start_is_served_when_it_is_repaired(bundle: Bundle, tmp_path: Path) -> None:
    later = tmp_path / "later"
    app = create_app(settings(bundle.path, later))
    with AsgiClient(app) as client:
        (fault,) = client.get("/readyz").json()["faults"]
        assert (fault["model"], fault["fault"]) == ("later", "missing")
        write_tiny_bundle(later, name="second")
        client.run(repository_of(app).poll())
        assert served(client) == [("tiny", "1"), ("second", "1")]
        assert client.get("/readyz").json()["faults"] == []
        assert faults_in(client.get("/metrics").text) == []


def test_a_directory_that_is_missing_is_reported_until_it_is_back(bundle: Bundle, tmp_path: Path) -> None:
    app = create_app(settings(bundle.path))
    with AsgiClient(app) as client:
        bundle.path.rename(tmp_path / "elsewhere")
        client.run(repository_of(app).poll())  # another bundle may be moving in
        assert client.get("/readyz").json()["faults"] == []
        client.run(repository_of(app).poll())
        (fault,) = client.get("/readyz").json()["faults"]
        assert fault["fault"] == "missing"
        assert len(labels(client.post("/detect", content=GOLDEN))) == 2
        (tmp_path / "elsewhere").rename(bundle.path)
        client.run(repository_of(app).poll())
        assert client.get("/readyz").json()["faults"] == []


def test_a_refused_bundle_that_is_deleted_is_missing_and_refused_again_when_it_is_back(
    bundle: Bundle, tmp_path: Path
) -> None:
    app = create_app(settings(bundle.path))
    with AsgiClient(app) as client:

        def fault_after_looks() -> str:
            for _ in range(3):
                client.run(repository_of(app).poll())
            (fault,) = client.get("/readyz").json()["faults"]
            return str(fault["fault"])

        break_hash(bundle)
        assert fault_after_looks() == "refused"
        bundle.path.rename(tmp_path / "elsewhere")
        assert fault_after_looks() == "missing"
        (tmp_path / "elsewhere").rename(bundle.path)
        assert fault_after_looks() == "refused"


def test_a_version_that_another_bundle_had_is_served_when_that_one_has_changed(bundle: Bundle, tmp_path: Path) -> None:
    canary = write_tiny_bundle(tmp_path / "canary", version="2")
    app = create_app(settings(bundle.path, canaries=(str(canary.path),)))
    with AsgiClient(app) as client:
        write_tiny_bundle(bundle.path, version="2")
        client.run(repository_of(app).poll())
        write_tiny_bundle(canary.path, version="3")
        client.run(repository_of(app).poll())
        assert served(client) == [("tiny", "2"), ("tiny", "3")]
        assert client.get("/readyz").json()["faults"] == []


def test_a_file_that_becomes_readable_is_a_change(bundle: Bundle) -> None:
    bundle.model_path.chmod(0)
    before = signature_of(bundle.path)
    bundle.model_path.chmod(0o644)
    assert signature_of(bundle.path) != before


def test_the_next_model_is_the_default_until_an_unloaded_one_is_loaded(bundle: Bundle, tmp_path: Path) -> None:
    other = write_tiny_bundle(tmp_path / "other", name="other")
    defaults = []

    def open_noting(bundle: Bundle, name: EngineName, **options: Any) -> Engine:
        if repositories and (default := repositories[0].default) is not None:
            defaults.append(default.name)
        return open_engine(bundle, name, **options)

    repositories: list[Repository] = []
    app = create_app(settings(bundle.path, other.path), open_noting)
    repositories.append(repository_of(app))
    with AsgiClient(app) as client:
        client.run(repository_of(app).unload("tiny"))
        client.run(repository_of(app).load("tiny"))
        assert defaults == ["other"]
        assert repository_of(app).default is not None
        assert client.post("/detect", content=GOLDEN).json()["model"] == "tiny"


def test_an_unloaded_model_is_no_fault(bundle: Bundle) -> None:
    app = create_app(settings(bundle.path))
    with AsgiClient(app) as client:
        client.run(repository_of(app).unload("tiny"))
        break_hash(bundle)
        for _ in range(3):
            client.run(repository_of(app).poll())
        assert faults_in(client.get("/metrics").text) == []


def test_each_version_has_its_metrics_and_those_of_an_unloaded_one_end(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_metrics, "FORGET_SECONDS", 0.0)
    canary = write_tiny_bundle(tmp_path / "canary", version="2")
    app = create_app(settings(bundle.path, canaries=(str(canary.path),), canary_share=0.5))
    with AsgiClient(app) as client:
        answers = [client.post("/detect", content=GOLDEN) for _ in range(4)]
        assert [answer.json()["version"] for answer in answers] == ["1", "2"] * 2
        assert [answer.headers["x-model-version"] for answer in answers] == ["1", "2"] * 2
        metrics = client.get("/metrics").text
        for version in ("1", "2"):
            labelled = f'model="tiny",outcome="in_time",protocol="http",version="{version}"'
            assert f"singleshot_detect_requests_total{{{labelled}}} 2.0" in metrics
            assert f'singleshot_model_share{{model="tiny",version="{version}"}} 0.5' in metrics
        write_tiny_bundle(bundle.path, version="3")
        client.run(repository_of(app).poll())

        async def forgotten() -> str:
            async with asyncio.timeout(60):
                while 'version="1"' in (text := generate_latest(app.state.server.metrics.registry).decode()):  # noqa: ASYNC110 the metrics give no event
                    await asyncio.sleep(0.01)
            return text

        assert 'version="2"' in client.run(forgotten())


def test_an_engine_that_keeps_failing_ends_readiness_until_it_works_again(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(app: FastAPI, client: httpx.AsyncClient, engines: FaultyEngines) -> None:
        watchdog = app.state.server.watchdog
        engines.opened[0].error = RuntimeError("broken")
        assert "engine failed" in problem(await client.post("/detect", content=GOLDEN), 500)
        await watchdog.look()
        assert (await client.get("/readyz")).status_code == 200
        await client.post("/detect", content=GOLDEN)
        await watchdog.look()
        assert "failed on 3 batches in a row" in problem(await client.get("/readyz"), 503)
        assert (await client.get("/healthz")).status_code == 200
        engines.opened[0].error = None
        await watchdog.look()
        assert (await client.get("/readyz")).status_code == 200

    with_engines(bundle, test, max_failures=2)
    told = [record.message for record in caplog.records if "engine failed on a batch" not in record.message]
    assert told == ["tiny 1 is in trouble: the engine of tiny failed on 3 batches in a row", "tiny 1 works again"]


def test_a_stuck_engine_is_noticed(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    async def test(app: FastAPI, client: httpx.AsyncClient, engines: FaultyEngines) -> None:
        engine = engines.opened[0]
        engine.may_run.clear()
        engine.has_begun.clear()
        stuck = asyncio.create_task(client.post("/detect", content=GOLDEN))
        await asyncio.to_thread(engine.has_begun.wait, 60)
        while app.state.server.dead_model is None:  # noqa: ASYNC110 time itself is what it waits for
            await asyncio.sleep(0)
        await app.state.server.watchdog.look()
        for path in ("/readyz", "/healthz"):
            assert "has been stuck" in problem(await client.get(path), 503)
        engine.may_run.set()
        assert (await stuck).status_code == 200
        await app.state.server.watchdog.look()
        assert (await client.get("/healthz")).status_code == 200

    with_engines(bundle, test, stuck_seconds=0.01)
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "tiny 1 is in trouble",
        "tiny 1 works again",
    ]


def test_the_process_ends_if_an_engine_answers_no_more(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    async def test(app: FastAPI, client: httpx.AsyncClient, engines: FaultyEngines) -> None:
        server, has_ended = app.state.server, asyncio.Event()
        server.end_process = has_ended.set
        engines.opened[0].error = DeviceLostError("the GPU is lost")
        problem(await client.post("/detect", content=GOLDEN), 500)
        for path in ("/readyz", "/healthz"):
            assert "the device of tiny is lost" in problem(await client.get(path), 503)
        await asyncio.wait_for(has_ended.wait(), 60)
        assert engines.opened[0].error is not None

    with_engines(bundle, test, watchdog_seconds=0.01)
    assert "an engine answers no more; this process ends" in caplog.text


def test_a_bundle_that_would_leave_the_gpu_for_the_cpu_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(app: FastAPI, client: httpx.AsyncClient, engines: FaultyEngines) -> None:
        monkeypatch.setattr(engines.opened[0], "device", "cuda")  # the engines that are opened later are on the CPU
        write_tiny_bundle(bundle.path, version="2")
        await repository_of(app).poll()
        (model,) = (await client.get("/models")).json()["models"]
        assert model["version"] == "1"
        assert "it would leave the GPU for the CPU" in repository_of(app).slots[0].reason
        assert engines.opened[1].is_closed.is_set()
        assert not engines.opened[0].is_closed.is_set()

    with_engines(bundle, test)


def test_a_process_that_was_paused_for_a_long_time_goes_on(bundle: Bundle) -> None:
    async def test(app: FastAPI, client: httpx.AsyncClient, engines: FaultyEngines) -> None:
        server, engine = app.state.server, engines.opened[0]
        engine.may_run.clear()
        engine.has_begun.clear()
        stuck = asyncio.create_task(client.post("/detect", content=GOLDEN))
        await asyncio.to_thread(engine.has_begun.wait, 60)
        while server.dead_model is None:  # noqa: ASYNC110 time itself is what it waits for
            await asyncio.sleep(0)
        await server.watchdog.look()  # the first look after the pause: the batch seems to hang
        engine.may_run.set()
        assert (await stuck).status_code == 200
        await server.watchdog.look()
        assert not server.watchdog.needs_restart

    with_engines(bundle, test, stuck_seconds=0.01)


def test_a_failing_canary_gets_no_requests_and_does_not_end_readiness(bundle: Bundle, tmp_path: Path) -> None:
    canary = write_tiny_bundle(tmp_path / "canary", version="2")

    async def test(app: FastAPI, client: httpx.AsyncClient, engines: FaultyEngines) -> None:
        engines.opened[1].error = RuntimeError("broken")
        problem(await client.post("/detect?version=2", content=GOLDEN), 500)
        assert (await client.get("/readyz")).status_code == 200
        assert {repository_of(app).choose(None).version for _ in range(5)} == {"1"}

    with_engines(bundle, test, max_failures=1, canaries=(str(canary.path),), canary_share=1)
