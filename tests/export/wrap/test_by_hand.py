"""The decoding in NumPy gives the boxes of each project's documentation, and the decoders agree with it."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray

from export.parity import difference
from export.wrap import by_hand
from export.wrap.cells import levels_of
from export.wrap.decoders import DecodedBoxes, Decoder, DetrQueries, EndToEndRows, YoloRows, YoloxRows
from service.engines.protocol import Candidates


def decoded(decoder: Decoder, *outputs: ArrayLike) -> Candidates:
    return by_hand.candidates(decoder, [np.array(output, np.float32)[None] for output in outputs])


def check(found: Candidates, box: list[float], score: float, label: int) -> None:
    """Check the best candidate."""
    np.testing.assert_allclose(found.boxes[0, 0], box, rtol=1e-5)
    np.testing.assert_allclose(found.scores[0, 0], score, rtol=1e-5)
    assert found.labels[0, 0] == label


def test_a_row_of_yolov8_is_a_centre_a_size_and_scores() -> None:
    decoder = YoloRows(has_objectness=False, channels_first=True, max_candidates=2)
    columns = np.array([[10, 20, 4, 6, 0.1, 0.9], [1, 1, 1, 1, 0.2, 0.3]]).T
    check(decoded(decoder, columns), [8, 17, 12, 23], 0.9, 1)


def test_a_score_of_yolov5_is_multiplied_by_the_objectness() -> None:
    decoder = YoloRows(has_objectness=True, channels_first=False, max_candidates=2)
    check(decoded(decoder, [[10, 20, 4, 6, 0.5, 0.9, 0.1]]), [8, 17, 12, 23], 0.45, 0)


def test_a_row_of_yolox_is_an_offset_and_a_logarithm_in_its_cell() -> None:
    levels = levels_of(84, 64, 64)
    assert levels is not None
    rows = np.zeros((84, 6))
    rows[64 + 6] = [0.5, 0.25, np.log(2), 0, 1, 0.8]  # stride 16, second row, third column
    check(decoded(YoloxRows(levels, 5), rows), [40 - 16, 20 - 8, 40 + 16, 20 + 8], 0.8, 0)


def test_the_last_logit_of_a_detr_means_no_object() -> None:
    decoder = DetrQueries("softmax", 2, height=100, width=200, max_candidates=2)
    logits = np.log([[0.1, 0.1, 0.8], [0.2, 0.5, 0.3]])
    boxes = np.array([[0, 0, 1, 1], [0.5, 0.5, 0.1, 0.2]])
    check(decoded(decoder, logits, boxes), [90, 40, 110, 60], 0.5, 1)


def test_each_logit_of_a_sigmoid_is_a_candidate_of_its_own() -> None:
    decoder = DetrQueries("sigmoid", 2, height=100, width=200, max_candidates=2)
    found = by_hand.candidates(decoder, [np.array([[[0.0, 1.0, 9.0]]]), np.array([[[0.5, 0.5, 0.1, 0.2]]])])
    assert found.labels.tolist() == [[1, 0]]
    np.testing.assert_allclose(found.scores, [[1 / (1 + np.exp(-1)), 0.5]], rtol=1e-6)


def test_a_row_of_an_end_to_end_yolo_has_corners_a_score_and_a_label() -> None:
    check(decoded(EndToEndRows(1), [[1, 2, 3, 4, 0.5, 7]]), [1, 2, 3, 4], 0.5, 7)


def test_tensorflow_s_boxes_start_with_y_and_its_labels_with_1() -> None:
    decoder = DecodedBoxes(coordinates="yxyx in 0…1", first_label=1, height=100, width=200, max_candidates=1)
    check(decoded(decoder, [[0.1, 0.2, 0.3, 0.4]], [0.5], [3]), [40, 10, 80, 30], 0.5, 2)


def random(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).random(shape, np.float32)


LEVELS = levels_of(84, 64, 64) or ()


@pytest.mark.parametrize(
    ("decoder", "outputs"),
    [
        (YoloRows(has_objectness=False, channels_first=True, max_candidates=50), [random(2, 7, 84)]),
        (YoloRows(has_objectness=False, channels_first=False, max_candidates=50), [random(2, 84, 7)]),
        (YoloRows(has_objectness=True, channels_first=False, max_candidates=50), [random(2, 84, 8)]),
        (YoloxRows(LEVELS, 50), [random(2, 84, 8)]),
        (DetrQueries("softmax", 3, 64, 96, 20), [5 * random(2, 20, 4), random(2, 20, 4)]),
        (DetrQueries("sigmoid", 3, 64, 96, 20), [5 * random(2, 20, 4) - 2, random(2, 20, 4)]),
        (EndToEndRows(20), [random(2, 20, 6) * [9, 9, 9, 9, 1, 5]]),
        (
            DecodedBoxes(coordinates="yxyx in 0…1", first_label=1, height=64, width=96, max_candidates=20),
            [random(2, 20, 4), random(2, 20), np.floor(3 * random(2, 20)) + 1],
        ),
    ],
)
def test_a_decoder_agrees_with_the_decoding_in_numpy(decoder: Decoder, outputs: list[NDArray[Any]]) -> None:
    boxes, scores, labels = (part.numpy() for part in decoder(*map(torch.from_numpy, outputs)))
    for image in range(2):
        expected = by_hand.candidates(decoder, [output[image : image + 1] for output in outputs])
        own = Candidates(boxes[image : image + 1], scores[image : image + 1], labels[image : image + 1])
        assert not difference(expected, own).exceeds(boxes=1e-4, scores=1e-6)
        assert (np.diff(own.scores) <= 0).all()
    assert labels.dtype == np.int32


@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_model_without_a_batch_axis_may_find_any_number_of_boxes(count: int) -> None:
    decoder = DecodedBoxes(
        coordinates="xyxy in pixels", first_label=1, height=64, width=96, max_candidates=20, has_batch_axis=False
    )
    outputs = random(count, 4), random(count), np.ones(count, np.int64)
    boxes, scores, labels = decoder(*map(torch.from_numpy, outputs))
    assert (boxes.shape, scores.shape, labels.shape) == ((1, 20, 4), (1, 20), (1, 20))
    assert int((scores > 0).sum()) == min(count, 20)
    assert not labels.any()
