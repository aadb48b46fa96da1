"""The best candidates, chosen by a loop of our own behind OpenVINO's model."""

import numpy as np
import pytest

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install '.[cpu]'")

from service.bundle import Bundle, read_bundle
from service.engines.openvino.form import read_model
from service.engines.openvino.model import OpenvinoModel
from service.engines.openvino.top_k import MAX_PAIRS, best_candidates, cut_before_top_k
from service.engines.tensor_contract import OUTPUTS
from tests.service.engines.golden_images import DEFAULT, golden_images


@pytest.mark.parametrize("num_candidates", [1, 7, 60, 90])
@pytest.mark.parametrize("kind", ["random", "equal", "few values", "tiny", "zero"])
def test_the_pairs_are_those_of_a_full_sort(kind: str, num_candidates: int) -> None:
    random = np.random.default_rng(num_candidates)
    scores = random.random((2, 20, 3)).astype(np.float32)
    scores = {
        "random": scores,
        "equal": np.full_like(scores, 0.5),
        "few values": np.round(scores, 1),
        "tiny": scores * np.float32(1e-41),
        "zero": np.zeros_like(scores),
    }[kind]
    boxes = random.random((2, 20, 4)).astype(np.float32)
    found = best_candidates(boxes, scores, num_candidates)
    for image in range(2):
        order = np.argsort(-scores[image].reshape(-1), kind="stable")[:num_candidates]
        rest = num_candidates - len(order)
        np.testing.assert_array_equal(found.scores[image], np.pad(scores[image].reshape(-1)[order], (0, rest)))
        np.testing.assert_array_equal(found.boxes[image], np.pad(boxes[image, order // 3], ((0, rest), (0, 0))))
        np.testing.assert_array_equal(found.labels[image], np.pad(order % 3, (0, rest)))


def test_the_candidates_are_those_of_the_whole_model_to_the_last_bit() -> None:
    model = read_model(read_bundle(DEFAULT).model_path, "fp32", [])
    cut = cut_before_top_k(model)
    assert cut is not None
    images = golden_images(3)
    names = [port.any_name for port in model.outputs]
    whole = OpenvinoModel(model, "fp32", num_threads=1, num_streams=1)(images)
    boxes, scores = OpenvinoModel(cut, "fp32", num_threads=1, num_streams=1)(images)
    found = best_candidates(boxes, scores, whole[0].shape[1])
    for name, output in zip(OUTPUTS, (found.boxes, found.scores, found.labels), strict=True):
        np.testing.assert_array_equal(output, whole[names.index(name)])


def test_a_model_with_too_many_pairs_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.engines.openvino.top_k.MAX_PAIRS", 19_124)
    assert MAX_PAIRS > 19_125
    assert cut_before_top_k(read_model(read_bundle(DEFAULT).model_path, "fp32", [])) is None


def test_a_model_that_ends_in_another_way_is_not_cut(tiny_bundle: Bundle) -> None:
    assert cut_before_top_k(read_model(tiny_bundle.model_path, "fp32", [])) is None
