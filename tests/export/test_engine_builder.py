"""The builder's process over the stand-in of TensorRT: profiles, flags, progress, refusals."""

import json
import logging
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from export import engine_builder
from export.engine_builder import ENGINE, OUTCOME, BuilderError, Job, build, main
from export.to_engine import network_of
from service.bundle import read_bundle
from service.engines.tensorrt.choose import Flavour
from tests.service.engines.golden_images import DEFAULT
from tests.tiny_bundle import SIZE, write_tiny_bundle

if TYPE_CHECKING:
    from tests.stand_in.tensorrt_engine import Plan

pytest.importorskip("cuda.bindings", reason="cuda-bindings is optional: pip install .[engine]")


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Puts the stand-in in place; the names of the calls that it refuses."""
    from tests.service.engines.tensorrt.stand_in_engine import put_in_place
    from tests.stand_in.tensorrt_types import refused

    put_in_place(monkeypatch)
    yield refused
    refused.clear()


def job(folder: Path, flavour: Flavour = "tensorrt", max_batch: int = 6, target: str = "sm_89") -> Job:
    """A job for the tiny bundle's network, which has no plugin."""
    network, num_plugins = network_of(write_tiny_bundle(folder / "tiny"), "fp32")
    (folder / "network.onnx").write_bytes(network)
    return Job(str(folder / "network.onnx"), flavour, target, max_batch, num_plugins)


def job_with_plugins(folder: Path) -> Job:
    network, num_plugins = network_of(read_bundle(DEFAULT), "fp32")
    (folder / "network.onnx").write_bytes(network)
    return Job(str(folder / "network.onnx"), "tensorrt", "sm_89", 1, num_plugins)


def plan_of(job: Job) -> "Plan":
    from tests.stand_in.tensorrt_engine import Plan

    return Plan.of_bytes(build(import_module(job.flavour), job))


def test_each_batch_size_that_runs_has_a_profile_of_its_own(tmp_path: Path) -> None:
    shapes = [[(size, SIZE, SIZE, 3)] * 3 for size in (1, 2, 4, 6)]  # smallest, usual and largest
    np.testing.assert_array_equal(plan_of(job(tmp_path)).profiles, shapes)


@pytest.mark.parametrize(("flavour", "flags"), [("tensorrt", ()), ("tensorrt_rtx", ("REQUIRE_USER_ALLOCATION",))])
def test_fp32_is_not_rounded_and_an_engine_for_rtx_allocates_nothing_while_it_runs(
    tmp_path: Path, flavour: Flavour, flags: tuple[str, ...]
) -> None:
    assert plan_of(job(tmp_path, flavour)).flags == flags


def test_each_plugin_is_stored_with_its_machine_code(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan = plan_of(job_with_plugins(tmp_path))
    assert len(plan.fields) == 4
    for fields in plan.fields:
        values = {field.name: field.data for field in fields}
        assert values["boxes"] == [3]
        assert values["cubin"].tobytes().startswith(b"\x7fELF")
    assert not caplog.records


def test_an_engine_whose_machine_code_is_not_found_is_built_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.stand_in.tensorrt_builder import Builder

    monkeypatch.setattr(Builder, "build_serialized_network", lambda *_: b"compressed")
    with caplog.at_level(logging.WARNING):
        assert build(import_module("tensorrt"), job_with_plugins(tmp_path)) == b"compressed"
    assert "the engine holds the kernel 0 times as plain bytes, for 4 layers" in caplog.text


def test_progress_is_printed_in_lines_if_the_job_wants_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(import_module("tensorrt"), Job(**{**vars(job(tmp_path)), "reports_progress": True}))
    assert capsys.readouterr().out.splitlines() == [f"progress {done} 5 Building Engine" for done in range(6)]


def test_progress_is_no_lines_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(import_module("tensorrt"), job(tmp_path))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("build_serialized_network", "TensorRT cannot build the engine: there is no profile, or the build is refused"),
        ("add_optimization_profile", "TensorRT refused a profile for batches of 1"),
        ("register_creator", "TensorRT refused the plugin OffsetConv"),
    ],
)
def test_what_tensorrt_refuses_is_the_job_s_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in: set[str], call: str, message: str
) -> None:
    (tmp_path / "job.json").write_text(json.dumps(vars(job(tmp_path))))
    monkeypatch.setattr("sys.argv", ["engine_builder", str(tmp_path / "job.json")])
    stand_in.add(call)
    assert main() == 1
    assert message in json.loads((tmp_path / OUTCOME).read_text())["error"]
    assert not (tmp_path / ENGINE).exists()


def test_the_engine_and_the_version_are_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.json").write_text(json.dumps(vars(job(tmp_path))))
    monkeypatch.setattr("sys.argv", ["engine_builder", str(tmp_path / "job.json")])
    assert main() == 0
    assert json.loads((tmp_path / OUTCOME).read_text()) == {"error": "", "version": "10.13.0.stand-in"}
    assert (tmp_path / ENGINE).stat().st_size > 1000


def test_a_network_without_its_plugin_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_builder, "register", lambda *_: None)
    with pytest.raises(BuilderError, match="TensorRT cannot read the network: OffsetConv node__symbolic: Plugin not"):
        build(import_module("tensorrt"), job_with_plugins(tmp_path))


def test_an_architecture_that_rtx_lacks_is_refused_with_the_product_that_has_it(tmp_path: Path) -> None:
    message = (
        r"TensorRT for RTX does not build for sm_90; it builds for sm_75, .*sm_121\. For sm_90 use TensorRT itself: "
        r"`pip install '\.\[tensorrt\]'` on a machine with that GPU"
    )
    with pytest.raises(BuilderError, match=message):
        build(import_module("tensorrt_rtx"), job(tmp_path, "tensorrt_rtx", target="sm_90"))
