"""The files of results: pycocotools reads them and computes the AP that the evaluation prints."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data.coco import read_coco
from models.data.data_set import DataSet
from models.evaluation.evaluate import score
from models.evaluation.results_file import write_results
from tests.models.data.coco_files import annotation_file, write_coco
from tests.models.evaluation.test_coco import detections_for


def scored_by_pycocotools(truth: Path, results: Path) -> list[float]:
    """The first six values of COCOeval's summary, nan for -1."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        annotations = COCO(str(truth))
        evaluation = COCOeval(annotations, annotations.loadRes(str(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [np.nan if value == -1 else float(value) for value in evaluation.stats[:6]]


@pytest.fixture
def coco(tmp_path: Path) -> DataSet:
    return read_coco(write_coco(tmp_path / "coco", annotation_file(1)), "val2017", ("toothbrush", "cat", "car"))


@pytest.mark.parametrize("is_coco", [True, False], ids=["MS COCO", "another layout"])
def test_pycocotools_computes_the_printed_ap_from_the_files(tmp_path: Path, coco: DataSet, is_coco: bool) -> None:
    assert coco.coco is not None
    data_set = coco if is_coco else replace(coco, coco=None)
    evaluation = score(data_set, iter(detections_for(coco, 1)))
    notes = write_results(tmp_path / "found.json", data_set, evaluation.results)
    printed = list(evaluation.coco.means.values())
    truths = [tmp_path / "found.truth.json", *([coco.coco.annotations] if is_coco else [])]
    for truth in truths:
        np.testing.assert_equal(scored_by_pycocotools(truth, tmp_path / "found.json"), printed)
        assert any(str(truth) in note for note in notes)
    assert 5 < 100 * evaluation.coco.means["AP50:95"] < 95


def test_names_with_dots_have_companions_of_their_own(tmp_path: Path, coco: DataSet) -> None:
    results = score(coco, iter(detections_for(coco, 1))).results
    for name in ("run.v1", "run.v2"):
        write_results(tmp_path / name, coco, results)
        assert (tmp_path / f"{name}.truth.json").is_file()
        assert (tmp_path / f"{name}.images.jsonl").is_file()


def test_each_image_has_a_line_with_its_detections(tmp_path: Path, coco: DataSet) -> None:
    found = detections_for(coco, 1)
    write_results(tmp_path / "found.json", coco, score(coco, iter(found)).results)
    lines = [json.loads(line) for line in (tmp_path / "found.images.jsonl").read_text().splitlines()]
    assert [line["image"] for line in lines] == [str(sample.image_path) for sample in coco.samples]
    assert [len(line["detections"]) for line in lines] == [len(detections) for detections in found]
    first = lines[0]["detections"][0]
    assert (first["label"], first["class_id"]) == (coco.classes[found[0].labels[0]], found[0].labels[0])
    assert list(first["box"].values()) == pytest.approx(found[0].boxes[0], abs=0.005)
    assert first["score"] == pytest.approx(found[0].scores[0], abs=5e-7)


def test_a_class_that_the_annotation_file_lacks_is_left_out_and_said(tmp_path: Path) -> None:
    tree = write_coco(tmp_path / "coco", annotation_file(1))
    data_set = read_coco(tree, "val2017", ("toothbrush", "cat", "car", "dog"))
    assert data_set.coco is not None
    found = detections_for(data_set, 1)
    is_dog = [detections.labels == 0 for detections in found]
    found = [replace(d, labels=np.where(dog, 3, d.labels)) for d, dog in zip(found, is_dog, strict=True)]
    notes = write_results(tmp_path / "found.json", data_set, score(data_set, iter(found)).results)
    written = json.loads((tmp_path / "found.json").read_text())
    num_dogs = sum(map(np.count_nonzero, is_dog))
    assert len(written) == sum(map(len, found)) - num_dogs
    assert {line["category_id"] for line in written} <= {90, 17, 3}
    assert any(f"without {num_dogs} detections of dog" in note for note in notes)


def test_results_without_detections_are_an_empty_list(tmp_path: Path, coco: DataSet) -> None:
    nothing = [replace(d, boxes=d.boxes[:0], scores=d.scores[:0], labels=d.labels[:0]) for d in detections_for(coco, 1)]
    write_results(tmp_path / "found.json", coco, score(coco, iter(nothing)).results)
    assert json.loads((tmp_path / "found.json").read_text()) == []
