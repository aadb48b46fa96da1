"""The TensorRT engines that a machine without a GPU can build, and the bundles and targets that are refused."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest
from onnx import helper

from export.build import Built
from export.errors import ExportError
from export.to_engine import build_engine, network_of, run_builder
from service.bundle import GOLDEN, MODEL, Bundle, BundleError, read_bundle, write_bundle
from service.engines.tensorrt.cuda import CudaError, gpu_target
from service.engines.tensorrt.kernel import compile_kernel
from tests.tiny_bundle import tiny_model, write_tiny_bundle

needs_builder = pytest.mark.skipif(
    find_spec("tensorrt_rtx") is None or find_spec("cuda") is None,
    reason="needs TensorRT for RTX, which has wheels for Linux on x86_64: pip install .[engine]",
)


def has_gpu() -> bool:
    try:
        return bool(gpu_target())
    except CudaError:
        return False


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_tiny_bundle(tmp_path / "tiny")


def with_model(bundle: Bundle, content: bytes) -> Bundle:
    """The bundle with another model and that model's hash."""
    return write_bundle(bundle.path, bundle.manifest, {MODEL: content, GOLDEN: bundle.golden_path.read_bytes()})


@needs_builder
def test_passd_s_engine_has_a_plugin_layer_with_machine_code_for_each_level(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    shutil.copytree(built.bundle.path, path)
    model = onnx.load(path / MODEL)
    num_levels = sum(node.op_type == "OffsetConv" for node in model.graph.node)
    done = build_engine(path, target="sm_89", precision="fp16", max_batch=4)
    assert num_levels > 1
    assert done.num_plugins == num_levels
    assert done.path.read_bytes().count(compile_kernel("sm_89")) >= num_levels
    found = read_bundle(path).manifest  # read_bundle checks the hashes
    assert found.engines == {"sm_89.engine": done.file}
    assert (done.file.compute_capability, done.file.precision, done.file.max_batch) == ("sm_89", "fp16", 4)


@needs_builder
def test_a_bundle_can_hold_engines_for_several_gpus(bundle: Bundle) -> None:
    for target in ("sm_86", "sm_120"):
        build_engine(bundle.path, target=target, precision="fp32", max_batch=1)
    assert set(read_bundle(bundle.path).manifest.engines) == {"sm_86.engine", "sm_120.engine"}
    names = {path.name for path in bundle.path.iterdir()}
    assert names == {"golden.png", "manifest.json", "model.onnx", "sm_86.engine", "sm_120.engine"}


@needs_builder
def test_a_network_with_too_few_plugin_layers_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    network, num_plugins = network_of(bundle, "fp32")
    assert num_plugins == 0
    with pytest.raises(ExportError, match=r"has 0 plugin layers instead of 5"):
        run_builder(tmp_path, network, "tensorrt_rtx", "sm_89", 1, 5)


@needs_builder
@pytest.mark.parametrize("target", ["sm_99", "89", "sm_90"])
def test_an_unknown_gpu_is_refused_and_the_known_ones_are_listed(bundle: Bundle, target: str) -> None:
    with pytest.raises(ExportError, match=rf"no engine for {target}: .*it builds for sm_75, "):
        build_engine(bundle.path, target=target, flavour="tensorrt_rtx")
    assert not read_bundle(bundle.path).manifest.engines


@needs_builder
@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU, which is the default target")
def test_without_a_gpu_the_target_must_be_named(bundle: Bundle) -> None:
    with pytest.raises(ExportError, match=r"which GPU is the engine for\?.* e\.g\. --target sm_89"):
        build_engine(bundle.path)


@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_without_tensorrt_the_error_names_what_to_install(bundle: Bundle) -> None:
    with pytest.raises(ExportError, match=r"TensorRT is not installed; install it with `pip install \.\[tensorrt\]`"):
        build_engine(bundle.path, target="sm_89", flavour="tensorrt")


def foreign_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "x"


def foreign_size(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 32


def grid_sample(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("GridSample", ["red_green", "grid"], ["samples"]))


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Magic", ["red_green"], ["magic"], domain="elsewhere"))


@needs_builder
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            foreign_input,
            r"it maps x uint8 \[\?, 64, 64, 3\] to .*; a bundle's model maps images uint8 \[B, 64, 64, 3\] to",
        ),
        (foreign_size, r"it maps images uint8 \[\?, 32, 64, 3\]"),
        (grid_sample, r"it has GridSample, which TensorRT may compute wrongly"),
        (foreign_operator, r"there is no plugin for elsewhere::Magic"),
    ],
)
def test_a_model_from_elsewhere_is_refused(
    bundle: Bundle, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    model = tiny_model()
    change(model)
    with pytest.raises(ExportError, match=rf"model\.onnx: {message}.*export the bundle again"):
        build_engine(with_model(bundle, model.SerializeToString()).path, target="sm_89")


def test_more_candidates_than_tensorrt_can_sort_are_refused(bundle: Bundle) -> None:
    content = bundle.model_path.read_bytes()
    for count in (3840, 3841):
        manifest = bundle.manifest.model_copy(update={"max_candidates": count})
        files = {MODEL: content, GOLDEN: bundle.golden_path.read_bytes()}
        message = "max_candidates is 3841, and TensorRT finds at most 3840" if count > 3840 else "it maps images"
        with pytest.raises(ExportError, match=message):  # the tiny model has 20, which is found later
            network_of(write_bundle(bundle.path, manifest, files), "fp32")


@needs_builder
@pytest.mark.parametrize("content", [b"no model", b"", b"\x08"])
def test_a_file_that_is_no_model_is_refused(bundle: Bundle, content: bytes) -> None:
    with pytest.raises(ExportError, match=r"model\.onnx: .*export the bundle again"):
        build_engine(with_model(bundle, content).path, target="sm_89")


@needs_builder
def test_a_model_that_tensorrt_cannot_read_is_refused_with_its_reason(bundle: Bundle) -> None:
    model = tiny_model()
    model.graph.node.append(helper.make_node("Det", ["red_green"], ["determinant"]))
    with pytest.raises(ExportError, match=r"no engine for sm_89: TensorRT cannot read the network: .*Det"):
        build_engine(with_model(bundle, model.SerializeToString()).path, target="sm_89", precision="fp32")


@needs_builder
def test_a_cache_that_cannot_be_written_is_refused_before_the_build(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"file: cannot be written .*; name a writable directory"):
        build_engine(bundle.path, target="sm_89", flavour="tensorrt_rtx", cache=tmp_path / "file")


@needs_builder
def test_a_build_that_is_asked_to_end_leaves_nothing_behind(bundle: Bundle, tmp_path: Path) -> None:
    scratch, cache = tmp_path / "scratch", tmp_path / "cache"
    scratch.mkdir()
    command = [sys.executable, "-m", "export", "engine", str(bundle.path), "--target", "sm_89", "--precision", "fp32"]
    with subprocess.Popen([*command, "--cache", str(cache)], env={**os.environ, "TMPDIR": str(scratch)}) as process:
        while process.poll() is None and not list(scratch.glob("*/job.json")):
            time.sleep(0.001)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not list(scratch.iterdir())
    assert not list(cache.iterdir())


def test_a_largest_batch_of_0_and_a_path_without_a_bundle_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="--max-batch is 0"):
        build_engine(bundle.path, target="sm_89", max_batch=0)
    with pytest.raises(BundleError, match="it is not a bundle"):
        build_engine(tmp_path / "nowhere", target="sm_89")


@needs_builder
def test_a_build_that_is_killed_does_not_change_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in bundle.path.iterdir()}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "export", "engine", str(bundle.path), "--target", "sm_89", "--precision", "fp32"]
    process = subprocess.Popen(command, start_new_session=True, env={**os.environ, "TMPDIR": str(scratch)})
    try:
        while process.poll() is None and not list(scratch.glob("*/job.json")):
            time.sleep(0.001)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert list(scratch.glob("*/job.json"))
    assert {path.name: path.read_bytes() for path in bundle.path.iterdir()} == before
    read_bundle(bundle.path)
