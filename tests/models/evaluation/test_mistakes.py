"""Mistakes: each has its cell in the confusion matrix, its reason and its rank."""

import numpy as np
import pytest

from models.evaluation.average_precision import curve
from models.evaluation.mistakes import find_mistakes
from tests.models.evaluation.test_average_precision import FAR, A, B, random_results, result

CLASSES = ("cell", "plate")
LOW_A = [0.0, 0, 10, 4]  # overlaps A by 0.4


@pytest.mark.parametrize("seed", range(4))
def test_the_confusion_matrix_counts_each_object_and_each_counted_detection_once(seed: int) -> None:
    results = random_results(seed)
    confusion = find_mistakes(results, CLASSES, 0.3, 5).confusion
    for label in range(2):
        of_class = curve(results, label)
        is_kept = of_class.scores >= 0.3
        assert confusion[label].sum() == of_class.num_objects
        assert confusion[:, label].sum() == is_kept.sum()
        assert confusion[label, label] == of_class.is_hit[is_kept].sum()


def test_a_detection_of_another_class_s_object_is_a_confusion() -> None:
    found = find_mistakes([result([(0.9, A)], [A, B], labels=[1, 0])], CLASSES, 0.5, 5)
    assert found.confusion.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    assert [(alarm.label, alarm.reason) for alarm in found.false_alarms] == [(0, "is plate")]
    assert {(miss.label, miss.reason) for miss in found.misses} == {(1, "taken for cell 0.90"), (0, "not detected")}


def test_an_object_that_its_own_class_finds_is_not_taken_for_another() -> None:
    both = result([(0.9, A), (0.8, A)], [A], labels=[1], found_labels=[0, 1])
    found = find_mistakes([both], CLASSES, 0.5, 5)
    assert found.confusion.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert not found.misses
    assert [(alarm.label, alarm.reason) for alarm in found.false_alarms] == [(0, "is plate, found as such too")]


@pytest.mark.parametrize(
    ("detections", "reason"),
    [
        ([(0.3, A)], "score only 0.30"),
        ([(0.9, LOW_A)], "best box overlaps by 0.40"),
        ([(0.9, FAR)], "not detected"),
        ([], "not detected"),
    ],
)
def test_a_miss_says_what_was_lacking(detections: list[tuple[float, list[float]]], reason: str) -> None:
    [miss] = find_mistakes([result(detections, [A])], CLASSES, 0.5, 5).misses
    assert (miss.label, miss.reason, miss.box.tolist()) == (0, reason, A)
    assert (miss.related is None) is (reason == "not detected")


@pytest.mark.parametrize(
    ("detections", "reason"),
    [
        ([(0.9, A), (0.8, A)], "second box of one object"),
        ([(0.9, LOW_A)], "overlaps by 0.40"),
        ([(0.9, FAR)], "no object there"),
    ],
)
def test_a_false_alarm_says_what_is_there(detections: list[tuple[float, list[float]]], reason: str) -> None:
    [alarm] = find_mistakes([result(detections, [A])], CLASSES, 0.5, 5).false_alarms
    assert alarm.reason == reason
    assert alarm.score == pytest.approx(detections[-1][0])


def test_the_worst_mistakes_come_first_and_the_others_are_left_out() -> None:
    large = [100.0, 100, 160, 160]
    images = [result([(0.2, A), (0.6, FAR)], [A, B]), result([(0.9, FAR)], [large])]
    found = find_mistakes(images, CLASSES, 0.5, 2)
    assert [(miss.image, miss.box.tolist()) for miss in found.misses] == [(1, large), (0, B)]
    assert [(alarm.image, round(alarm.score, 3)) for alarm in found.false_alarms] == [(1, 0.9), (0, 0.6)]
    assert found.confusion[0, 2] == 3


def test_a_difficult_object_is_no_miss_and_its_detection_no_false_alarm() -> None:
    image = result([(0.9, A)], [A, B], difficult=[True, True])
    found = find_mistakes([image], CLASSES, 0.5, 5)
    assert not found.misses
    assert not found.false_alarms
    assert not found.confusion.any()


def test_images_without_anything_have_no_mistakes() -> None:
    assert not np.any(find_mistakes([result([], [])], CLASSES, 0.5, 5).confusion)
