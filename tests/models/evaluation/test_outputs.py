"""What an evaluation prints and writes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.data_set import DataError, DataSet, Sample
from models.data.voc import read_voc
from models.evaluation.evaluate import score
from models.evaluation.mistakes import Mistake, find_mistakes
from models.evaluation.outputs import Outputs
from models.evaluation.report import Evaluation
from models.evaluation.sheet import crop_of, draw_mistakes
from service.detection.postprocess import Detections


@pytest.fixture
def evaluation(voc_tree: Path) -> Evaluation:
    """All objects found with score 0.8 but the first, and a false alarm with score 0.9 in the last image."""
    data_set = read_voc(voc_tree, "test")
    found = [
        Detections(s.boxes, np.full(len(s.boxes), 0.8, np.float32), s.labels.astype(np.int32)) for s in data_set.samples
    ]
    first, last = found[0], found[-1]
    found[0] = Detections(first.boxes[1:], first.scores[1:], first.labels[1:])
    found[-1] = Detections(
        np.concatenate([last.boxes, [[0, 0, 5, 5]]]).astype(np.float32),
        np.append(last.scores, np.float32(0.9)),
        np.append(last.labels, np.int32(1)),
    )
    return score(data_set, iter(found))


def test_plots_are_drawn_with_their_numbers(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = Outputs(plots=tmp_path / "new" / "plots")
    outputs.prepare()
    outputs.present(evaluation, "runs/mine/best.pt")
    names = ["confusion.png", "f1.png", "mistakes.png", "precision_recall.png"]
    assert sorted(path.name for path in (tmp_path / "new" / "plots").iterdir()) == [
        *names[:3],
        "numbers.json",
        names[3],
    ]
    for name in names:
        with Image.open(tmp_path / "new" / "plots" / name) as drawn:
            assert min(drawn.size) > 500
    numbers = json.loads((tmp_path / "new" / "plots" / "numbers.json").read_text())
    assert (numbers["model"], numbers["data"], numbers["images"]) == ("runs/mine/best.pt", "voc/test", 3)
    assert numbers["measures"]["AP50"] == pytest.approx(evaluation.mean_ap, abs=1e-5)
    assert [len(numbers[kind]) for kind in ("misses", "false_alarms")] == [1, 1]
    assert numbers["false_alarms"][0]["score"] == pytest.approx(0.9)
    assert np.trace(np.array(numbers["confusion"]["numbers"])) == 5
    assert "one for all classes: 0.01 " in capsys.readouterr().out


def test_without_plots_the_table_ends_with_a_hint(evaluation: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    Outputs().present(evaluation, "best.pt")
    assert capsys.readouterr().out.splitlines()[-1].endswith("add --plots DIR")


def test_a_split_without_annotations_has_results_and_no_table(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = Outputs(results=tmp_path / "found.json")
    assert not outputs.needs_annotations
    outputs.present(Evaluation(replace(evaluation.data_set, is_annotated=False), evaluation.results), "best.pt")
    printed = capsys.readouterr().out
    assert "voc/test has no annotations" in printed
    assert "AP50" not in printed
    assert len(json.loads((tmp_path / "found.json").read_text())) == 6
    assert not (tmp_path / "found.truth.json").exists()


def test_a_folder_for_results_is_refused_before_anything_is_detected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a folder; give a file, e\.g\. .*results\.json"):
        Outputs(results=tmp_path).prepare()


@pytest.mark.parametrize("option", ["results", "plots"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_detected(option: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (Path("/proc"), tmp_path / "file" / "folder"):
        path = folder / "a.json" if option == "results" else folder
        with pytest.raises(DataError, match=f"--{option}: files cannot be written into .*; choose another place"):
            Outputs(**{option: path}).prepare()


def test_a_file_for_plots_is_refused_before_anything_is_detected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"--plots .*file is a file; give a folder"):
        Outputs(plots=tmp_path / "file").prepare()
    with pytest.raises(DataError, match=r"--plots .*same is a file; give a folder"):
        Outputs(tmp_path / "same", tmp_path / "same").prepare()


def test_only_the_images_that_are_shown_are_read(evaluation: Evaluation, tmp_path: Path) -> None:
    missing = replace(evaluation.data_set.samples[1], image_path=tmp_path / "gone.jpg")
    first, _, last = evaluation.data_set.samples
    data_set = replace(evaluation.data_set, samples=(first, missing, last))
    figure = draw_mistakes(data_set, find_mistakes(evaluation.results, data_set.classes, 0.5, 24), "title")
    assert len(figure.axes) == 2


def test_data_without_objects_and_detections_are_drawn(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    none = np.zeros(0, bool)
    sample = Sample(tmp_path / "a.png", (30, 40), np.empty((0, 4), np.float32), np.empty(0, np.int64), none, none)
    nothing = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))
    data_set = DataSet("empty", "test", ("cell",), (sample,), 0)
    Outputs(plots=tmp_path / "plots").prepare()
    Outputs(plots=tmp_path / "plots").present(score(data_set, iter([nothing])), "best.pt")
    numbers = json.loads((tmp_path / "plots" / "numbers.json").read_text())
    assert numbers["measures"] == {"AP50": None, "AP75": None, "AP50:95": None}


def test_a_class_without_objects_has_no_best_threshold(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_set = replace(evaluation.data_set, classes=(*evaluation.classes, "absent"))
    Outputs(plots=tmp_path).present(Evaluation(data_set, evaluation.results), "best.pt")
    line = next(line for line in reversed(capsys.readouterr().out.splitlines()) if line.startswith("absent"))
    assert line.split() == ["absent", "-", "-", "-", "-"]
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["classes"][-1]["best_threshold"] is None


def test_without_a_found_object_no_threshold_is_advised(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))
    missed = score(evaluation.data_set, iter([nothing] * len(evaluation.results)))
    Outputs(plots=tmp_path).present(missed, "best.pt")
    assert "one for all classes: none, because no object is found" in capsys.readouterr().out


def test_names_are_no_formulas(evaluation: Evaluation, tmp_path: Path) -> None:
    names = ("$x^{", "$_")
    data_set = replace(evaluation.data_set, classes=tuple(f"{name}$" for name in names), name="$_{$")
    Outputs(plots=tmp_path).present(Evaluation(data_set, evaluation.results), "best.pt")
    assert (tmp_path / "mistakes.png").is_file()


@pytest.mark.parametrize("box", [[0, 0, 10, 10], [95, 40, 130, 60], [-30, -30, 500, 400], [200, 200, 201, 201]])
def test_a_crop_lies_inside_the_image(box: list[float]) -> None:
    image = np.zeros((96, 128, 3), np.uint8)
    mistake = Mistake(0, 0, np.array(box, np.float32), 0.5, "", np.array([10, 10, 30, 20], np.float32))
    x1, y1, x2, y2 = crop_of(mistake, image)
    assert 0 <= x1 < x2 <= 128
    assert 0 <= y1 < y2 <= 96


def test_the_summary_names_its_measure(evaluation: Evaluation) -> None:
    values = [result.all_points for result in evaluation.per_class]
    names = zip(evaluation.classes, values, strict=True)
    assert evaluation.summary == "AP50 by class: " + ", ".join(f"{name} {value:.3f}" for name, value in names)
