"""What a caller can do with detections."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from singleshot import Detection, Detections
from singleshot.client.answer import Answer, detections_of
from singleshot.client.drawing import COLOURS
from tests.singleshot.client.scripted_server import RESULT

FOUND = Detections(
    objects=(Detection("red", 0, 0.9, (4, 30, 40, 60)), Detection("green", 1, 0.5, (10.5, 40.25, 90, 70))),
    width=100,
    height=80,
    model="tiny",
    version="1",
    request_id="7",
    stage_seconds={},
)
EMPTY = Detections((), 100, 80, "tiny", "1", "7", {})


def test_detections_are_a_sequence_with_columns() -> None:
    assert [one.label for one in FOUND] == FOUND.labels == ["red", "green"]
    assert len(FOUND) == 2
    assert FOUND[0].box == FOUND.boxes[0] == (4, 30, 40, 60)
    assert FOUND[-1:] == (FOUND[1],)
    assert (FOUND.scores, FOUND.class_ids) == ([0.9, 0.5], [0, 1])
    assert not EMPTY
    assert np.array(FOUND.boxes).shape == (2, 4)


def test_json_is_the_server_s_own() -> None:
    found = detections_of(Answer(200, {}, json.dumps(RESULT).encode()))
    content, (result,) = json.loads(found.to_json()), RESULT["results"]
    assert content["detections"] == result["detections"]  # type: ignore[index]
    assert (content["model"], content["width"]) == ("tiny", 64)


def test_boxes_and_labels_are_drawn_on_a_copy() -> None:
    picture = np.full((80, 100, 3), 255, np.uint8)
    drawn = np.asarray(FOUND.draw(picture))
    assert drawn.shape == picture.shape
    assert (picture == 255).all()
    for one in FOUND:
        colour = tuple(bytes.fromhex(COLOURS[one.class_id][1:]))
        x1, y1, x2, y2 = map(round, one.box)
        assert tuple(drawn[y2, x1 + 1]) == colour, "the lower edge"
        assert (drawn[y1 - 10 : y1, x1 : x1 + 10] == colour).all(axis=2).any(), "the label's ground"
        assert (drawn[y1 - 10 : y1, x1:x2].max(axis=2) < 60).any(), "the label's letters"


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_drawing_takes_every_picture_and_leaves_it_as_it_was(mode: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (100, 80), "white").convert(mode)
    before = image.tobytes()
    image.save(tmp_path / "picture.png")
    drawn = FOUND.draw(image)
    assert drawn.mode == "RGB"
    assert drawn.tobytes() == FOUND.draw(tmp_path / "picture.png").tobytes()
    assert drawn.tobytes() == FOUND.draw((tmp_path / "picture.png").read_bytes()).tobytes()
    assert image.tobytes() == before


def test_boxes_outside_the_picture_are_drawn_as_far_as_they_are_inside() -> None:
    far = Detection("a class with a name that is longer than the picture is wide", 9, 0.1, (-50, -50, 1000, 1000))
    found = Detections((far, Detection("one", 2, 1, (99.5, 79.5, 99.5, 79.5))), 100, 80, "tiny", "1", "7", {})
    assert found.draw(Image.new("RGB", (100, 80))).size == (100, 80)


def test_drawing_on_another_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="the picture has 80×100 pixels, and the one of these detections 100×80"):
        FOUND.draw(Image.new("RGB", (80, 100)))


def test_pandas_gets_a_row_for_each_object() -> None:
    pytest.importorskip("pandas")
    frame = FOUND.to_pandas()
    assert list(frame.columns) == ["label", "class_id", "score", "x1", "y1", "x2", "y2"]
    assert frame.iloc[1].tolist() == ["green", 1, 0.5, 10.5, 40.25, 90, 70]
    assert list(EMPTY.to_pandas().columns) == list(frame.columns)
    assert len(EMPTY.to_pandas()) == 0


def test_tables_keep_their_types_when_one_without_objects_joins_them() -> None:
    pandas = pytest.importorskip("pandas")
    frame = FOUND.to_pandas()
    joined = pandas.concat([EMPTY.to_pandas(), frame])
    assert list(joined.dtypes) == list(frame.dtypes)
    assert [kind.kind for kind in frame.dtypes[1:]] == ["i", "f", "f", "f", "f", "f"]


def test_supervision_gets_the_same() -> None:
    supervision = pytest.importorskip("supervision", reason="it needs opencv-python, which replaces the headless one")
    found = FOUND.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == [list(box) for box in FOUND.boxes]
    assert found.confidence.tolist() == pytest.approx(FOUND.scores)
    assert found.class_id.tolist() == FOUND.class_ids
    assert found.data["class_name"].tolist() == FOUND.labels
    assert len(EMPTY.to_supervision()) == 0


@pytest.mark.parametrize("package", ["pandas", "supervision"])
def test_a_missing_package_is_named_with_its_remedy(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=f"to_{package} needs {package}: pip install {package}"):
        getattr(FOUND, f"to_{package}")()
