"""Which form of a bundle ONNX Runtime opens on a GPU, and what it says if it cannot; over a stand-in for CUDA."""

import ctypes
import threading
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest

from service.bundle import Bundle, read_bundle
from service.engines import onnx_cuda
from service.engines.onnx_cuda import OnnxCudaEngine
from service.engines.protocol import EngineError, Precision
from tests.service.engines.golden_images import DEFAULT
from tests.stand_in.onnx_cuda import Gpu, install

PRECISIONS: tuple[Precision, ...] = ("auto", "fp16", "fp32")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    return install(set_attribute=monkeypatch.setattr)


def test_fp16_runs_the_bundle_s_fp16_form_and_is_the_default(gpu: Gpu) -> None:
    bundle = read_bundle(DEFAULT)
    used = []
    for precision in PRECISIONS:
        engine = OnnxCudaEngine(bundle, precision=precision, max_batch=1)
        used.append((engine.precision, Path(gpu.sessions[-1]._model_path).name))
        engine.close()
    assert used == [("fp16", "model.fp16.onnx"), ("fp16", "model.fp16.onnx"), ("fp32", "model.onnx")]


@pytest.mark.usefixtures("gpu")
def test_fp16_without_its_file_and_bf16_are_refused_with_a_remedy(tiny_bundle: Bundle) -> None:
    with pytest.raises(
        EngineError, match=r"has no model\.fp16\.onnx.*`python -m export build`, or choose `--precision"
    ):
        OnnxCudaEngine(tiny_bundle, precision="fp16")
    with pytest.raises(EngineError, match=r"fp16 or fp32 on a GPU; choose one of them with --precision"):
        OnnxCudaEngine(tiny_bundle, precision="bf16")


def test_an_onnx_runtime_without_cuda_is_refused_with_a_remedy(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(EngineError) as refused:
        OnnxCudaEngine(tiny_bundle)
    assert str(refused.value) == (
        "this ONNX Runtime has no CUDA: `pip uninstall onnxruntime`, then `pip install '.[gpu]'`, because the packages "
        "onnxruntime and onnxruntime-gpu exclude each other"
    )


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (
            "/onnxruntime_src/cuda_call.cc:154 std::conditional_t<THRW, void> onnxruntime::CudaCall() CUDA failure 35: "
            "CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; expr=cudaSetDevice(id);\n\n",
            "ONNX Runtime cannot use CUDA: the NVIDIA driver is older than it needs; update the driver",
        ),
        (
            "CudaCall() CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; expr=cudaSetDevice(id);",
            "ONNX Runtime cannot use CUDA: no CUDA-capable device is detected; `nvidia-smi` should list a GPU",
        ),
        ("CUDA Provider\nnot available", "ONNX Runtime cannot use CUDA: CUDA Provider not available"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_refused_in_one_sentence(
    gpu: Gpu, tiny_bundle: Bundle, problem: str, message: str
) -> None:
    gpu.problem = problem
    with pytest.raises(EngineError) as refused:
        OnnxCudaEngine(tiny_bundle)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("libcuda.so.1", "there is no NVIDIA driver; `nvidia-smi` should list a GPU"),
        ("libcublas.so.13", "libcublas.so.13: cannot open shared object file; install its libraries with `pip install"),
    ],
)
def test_a_missing_library_is_named(
    gpu: Gpu, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str, message: str
) -> None:
    def load(_path: str) -> None:
        raise OSError(f"{missing}: cannot open shared object file")

    gpu.problem = "CUDA Provider not available, can't get interface for it"
    (tmp_path / "provider.so").touch()
    monkeypatch.setattr(onnx_cuda, "LIBRARY", tmp_path / "provider.so")
    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(EngineError) as refused:
        OnnxCudaEngine(tiny_bundle)
    assert f"ONNX Runtime cannot use CUDA: {message}" in str(refused.value)


def test_a_session_that_falls_back_to_the_cpu_is_refused(gpu: Gpu, tiny_bundle: Bundle) -> None:
    threads_before = set(threading.enumerate())
    gpu.falls_back = True
    with pytest.raises(EngineError, match="cannot run it on the GPU: ONNX Runtime chose the CPU"):
        OnnxCudaEngine(tiny_bundle)
    assert set(threading.enumerate()) <= threads_before


@pytest.mark.usefixtures("gpu")
def test_a_file_that_is_no_model_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EngineError, match=r"model\.onnx: ONNX Runtime cannot load it: .*; export the bundle again"):
        OnnxCudaEngine(replace(tiny_bundle, path=tmp_path))
