"""What ONNX Runtime computes with: the CPU, or CUDA if it was built with it."""

import pytest

from service.engines.onnx_runtime import CUDA, choose_providers
from service.engines.protocol import EngineError


def test_cuda_is_used_if_it_is_requested_and_available() -> None:
    assert choose_providers("cpu", [CUDA, "CPUExecutionProvider"]) == ["CPUExecutionProvider"]
    (first, settings), second = choose_providers("cuda", [CUDA, "CPUExecutionProvider"])
    assert (first, second) == (CUDA, "CPUExecutionProvider")
    assert settings == {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}


def test_cuda_without_its_provider_is_refused_with_a_remedy() -> None:
    with pytest.raises(EngineError, match=r"built without CUDA; install onnxruntime-gpu"):
        choose_providers("cuda", ["CPUExecutionProvider"])
