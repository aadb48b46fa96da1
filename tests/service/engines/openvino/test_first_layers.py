"""The first layers that stay in fp32, and the models that have none."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

openvino = pytest.importorskip("openvino", reason="OpenVINO is an optional engine: pip install .[cpu]")

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (2, 3, 16, 16)).astype(np.float32)
EXACT = "DisablePrecisionConversion_0"


def network(*, depthwise: bool) -> Any:
    """Images (B, 3, 16, 16) through three convolutions, of which the second is depthwise or not."""
    from openvino import opset13

    def convolve(value: Any, filters: NDArray[np.float64], name: str) -> Any:
        kind = opset13.group_convolution if filters.ndim == 5 else opset13.convolution
        found = kind(value, filters.astype(np.float32), [1, 1], [1, 1], [1, 1], [1, 1], name=name)
        return opset13.clamp(found, 0, 6, name=f"{name}_relu6")

    images = opset13.parameter([-1, 3, 16, 16], np.float32, name="images")
    value = convolve(opset13.divide(images, np.float32(255)), RANDOM.normal(size=(8, 3, 3, 3)), "stem")
    second = RANDOM.normal(size=(8, 1, 1, 3, 3) if depthwise else (8, 8, 3, 3))
    value = convolve(value, second, "second")
    return openvino.Model([convolve(value, RANDOM.normal(size=(4, 8, 1, 1)), "third")], [images])


def exact_layers(model: Any) -> set[str]:
    return {node.get_friendly_name() for node in model.get_ops() if EXACT in node.get_rt_info().keys()}  # noqa: SIM118


def test_the_stem_and_a_depthwise_convolution_behind_it_stay_in_fp32() -> None:
    from service.engines.openvino.first_layers import keep_first_layers_in_fp32

    model = network(depthwise=True)
    expected = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(IMAGES)[0]
    keep_first_layers_in_fp32(model)
    layers = exact_layers(model)
    assert {"stem", "stem_relu6", "second"} <= layers
    assert not layers & {"second_relu6", "third", "third_relu6"}
    found = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(IMAGES)[0]
    assert np.array_equal(found, expected)
    assert expected.max() > 0


def test_a_model_without_depthwise_convolutions_is_not_changed() -> None:
    from service.engines.openvino.first_layers import keep_first_layers_in_fp32

    model = network(depthwise=False)
    keep_first_layers_in_fp32(model)
    assert exact_layers(model) == set()


def test_a_model_without_any_layer_is_not_changed() -> None:
    from openvino import opset13

    from service.engines.openvino.first_layers import keep_first_layers_in_fp32

    images, second = (opset13.parameter([1, 3], np.float32, name=name) for name in ("images", "second"))
    model = openvino.Model([images, second], [images, second])
    keep_first_layers_in_fp32(model)
    assert exact_layers(model) == set()


def test_a_machine_without_a_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.engines.openvino.first_layers import keep_first_layers_in_fp32

    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    with pytest.raises(RuntimeError, match=r"temporary file: .*/no/such/folder"):
        keep_first_layers_in_fp32(network(depthwise=True))
