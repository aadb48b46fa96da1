"""The page's verdicts on detections are those of the evaluation, and its differences between two sides are fair."""

from typing import Any

import numpy as np
from playwright.sync_api import Page

from models.evaluation.average_precision import claim

JUDGE = """async (cases) => {
    const { judge } = await import(new URL("page/truth/verdicts.js", document.baseURI));
    return cases.map(([detections, objects, threshold]) => {
        const { verdicts, missed } = judge(detections, objects, threshold);
        return [verdicts, missed.map((object) => objects.indexOf(object))];
    });
}"""
COMPARE = """async (cases) => {
    const { differences } = await import(new URL("page/compare/differences.js", document.baseURI));
    return cases.map(([left, right]) => differences(left, right));
}"""


def random_boxes(random: np.random.Generator, size: int) -> np.ndarray:
    corners = random.integers(0, 25, (size, 2))
    return np.concatenate([corners, corners + random.integers(5, 30, (size, 2))], axis=1).astype(float)


def test_verdicts_equal_those_of_the_evaluation(modules: Page) -> None:
    random = np.random.default_rng(0)
    cases: list[Any] = []
    expected: list[Any] = []
    for _ in range(100):
        num_found, num_objects = random.integers(0, 30, 2)
        boxes, gt_boxes = random_boxes(random, num_found), random_boxes(random, num_objects)
        labels, gt_labels = random.integers(0, 3, num_found), random.integers(0, 3, num_objects)
        is_difficult = random.random(num_objects) < 0.2
        threshold = float(random.choice([0.3, 0.5, 0.75]))
        found = [{"label": int(n), "box": box} for n, box in zip(labels, boxes.tolist(), strict=True)]
        objects = [
            {"label": int(n), "box": box, "isDifficult": bool(d)}
            for n, box, d in zip(gt_labels, gt_boxes.tolist(), is_difficult, strict=True)
        ]
        cases.append([found, objects, threshold])
        verdicts, hit = np.full(num_found, "false", object), np.zeros(num_objects, bool)
        for label in range(3):
            of_class, is_found = np.flatnonzero(gt_labels == label), np.flatnonzero(labels == label)
            claimed, is_first = claim(boxes[is_found], gt_boxes[of_class], threshold)
            for index, number, is_hit in zip(is_found, claimed, is_first, strict=True):
                if number >= 0 and is_difficult[of_class[number]]:
                    verdicts[index] = "uncounted"
                elif is_hit:
                    verdicts[index] = "hit"
                    hit[of_class[number]] = True
        expected.append([verdicts.tolist(), np.flatnonzero(~hit & ~is_difficult).tolist()])
    assert modules.evaluate(JUDGE, cases) == expected
    assert {verdict for verdicts, _ in expected for verdict in verdicts} == {"hit", "false", "uncounted"}


def test_a_crowd_takes_each_detection_that_lies_in_it(modules: Page) -> None:
    crowd = {"label": 0, "box": [0, 0, 40, 40], "isCrowd": True}
    found = [
        {"label": label, "box": box} for label, box in ((0, [0, 0, 9, 9]), (0, [30, 30, 60, 60]), (1, [0, 0, 9, 9]))
    ]
    assert modules.evaluate(JUDGE, [[found, [crowd], 0.5]]) == [[["uncounted", "false", "false"], []]]


def detection(name: str, score: float, box: list[float]) -> dict[str, Any]:
    return {"name": name, "score": score, "box": box}


def test_each_kind_of_difference_is_told_apart(modules: Page) -> None:
    left = [
        detection("cell", 0.9, [0, 0, 10, 10]),
        detection("cell", 0.8, [20, 0, 30, 10]),
        detection("cell", 0.7, [40, 0, 50, 10]),
        detection("cell", 0.6, [60, 0, 70, 10]),
        detection("cell", 0.5, [80, 0, 90, 10]),
    ]
    right = [
        detection("cell", 0.9, [0, 0, 10, 10]),
        detection("cell", 0.8, [22, 0, 32, 10]),
        detection("cell", 0.5, [40, 0, 50, 10]),
        detection("plate", 0.6, [60, 0, 70, 10]),
        detection("cell", 0.4, [86, 0, 96, 10]),
    ]
    (found,) = modules.evaluate(COMPARE, [[left, right]])
    assert [(entry["kind"], entry["left"], entry["right"]) for entry in found] == [
        ("left", 4, None),
        ("right", None, 4),
        ("relabelled", 3, 3),
        ("moved", 1, 1),
        ("score", 2, 2),
        ("same", 0, 0),
    ]


def test_no_detection_is_in_two_differences_and_the_sides_may_be_swapped(modules: Page) -> None:
    random = np.random.default_rng(0)
    cases: list[Any] = []
    for _ in range(50):
        sides = []
        for _ in range(2):
            boxes = random_boxes(random, int(random.integers(0, 20)))
            scores = np.sort(random.random(len(boxes)))[::-1]
            names = random.choice(["cell", "plate"], len(boxes)).tolist()
            sides.append([detection(*row) for row in zip(names, scores.tolist(), boxes.tolist(), strict=True)])
        cases += [sides, sides[::-1]]
    found = modules.evaluate(COMPARE, cases)
    swapped = {"left": "right", "right": "left"}
    for (left, right), there, back in zip(cases[::2], found[::2], found[1::2], strict=True):
        for side, detections in (("left", left), ("right", right)):
            indexes = sorted(entry[side] for entry in there if entry[side] is not None)
            assert indexes == list(range(len(detections)))
        mirrored = {(swapped.get(entry["kind"], entry["kind"]), entry["right"], entry["left"]) for entry in back}
        assert mirrored == {(entry["kind"], entry["left"], entry["right"]) for entry in there}
