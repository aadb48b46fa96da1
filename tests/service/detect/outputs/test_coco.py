"""MS COCO's results."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from service.bundle import Bundle
from service.detect.outputs.coco import id_of_name, read_annotations, write_coco
from service.detect.outputs.format import OutputError
from tests.service.detect.command import detect


def result(name: str, num_detections: int = 1) -> dict[str, Any]:
    box = {"x1": 1.5, "y1": 2.0, "x2": 11.5, "y2": 22.25}
    return {"name": name, "detections": [{"label": "green", "class_id": 1, "score": 0.5, "box": box}] * num_detections}


def annotations(path: Path, categories: dict[str, int] | None = None) -> Path:
    names = {"green": 90, "red": 3} if categories is None else categories
    content = {
        "images": [{"file_name": "a.jpg", "id": 7}, {"file_name": "sub/a.jpg", "id": 8}],
        "categories": [{"name": name, "id": number} for name, number in names.items()],
        "annotations": [],
    }
    path.write_text(json.dumps(content))
    return path


def written(tiny_bundle: Bundle, *results: dict[str, Any], path: Path | None = None) -> tuple[Any, str]:
    file = io.BytesIO()
    note = write_coco(results, tiny_bundle.manifest, file, read_annotations(path) if path else None)
    return json.loads(file.getvalue()), note


def test_boxes_have_a_corner_a_width_and_a_height(tiny_bundle: Bundle) -> None:
    entries, note = written(tiny_bundle, result("val/000139.jpg"))
    assert entries == [{"image_id": 139, "category_id": 2, "bbox": [1.5, 2.0, 10.0, 20.25], "score": 0.5}]
    assert note == ""


def test_no_detections_are_an_empty_list(tiny_bundle: Bundle) -> None:
    assert written(tiny_bundle, result("1.jpg", 0))[0] == []
    assert written(tiny_bundle)[0] == []


def test_the_id_is_the_number_in_the_name_or_the_name(tiny_bundle: Bundle) -> None:
    assert [id_of_name(name) for name in ("a/0012.jpg", "a/b.jpg", "clip.mp4#000001")] == [
        12,
        "a/b.jpg",
        "clip.mp4#000001",
    ]
    with pytest.raises(OutputError, match="two pictures have the image id 1"):
        written(tiny_bundle, result("a/1.jpg"), result("b/1.jpg"))


def test_a_frame_of_a_video_that_is_named_by_a_number_keeps_its_whole_name(tiny_bundle: Bundle) -> None:
    entries, _ = written(tiny_bundle, result("a/12.mp4#000000"), result("a/12.mp4#000001"))
    assert [entry["image_id"] for entry in entries] == ["a/12.mp4#000000", "a/12.mp4#000001"]


def test_two_pictures_of_one_annotation_are_named_as_such(tiny_bundle: Bundle, tmp_path: Path) -> None:
    path = annotations(tmp_path / "instances.json")
    with pytest.raises(OutputError, match="since their names end in the same file_name"):
        written(tiny_bundle, result("x/b.jpg"), result("y/b.jpg"), result("x/a.jpg"), result("y/a.jpg"), path=path)


def test_annotations_give_the_ids_of_images_and_categories(tiny_bundle: Bundle, tmp_path: Path) -> None:
    path = annotations(tmp_path / "instances.json")
    entries, note = written(
        tiny_bundle, result("/data/sub/a.jpg"), result("other/a.jpg"), result("/data/b.jpg"), path=path
    )
    assert [(entry["image_id"], entry["category_id"]) for entry in entries] == [(8, 90), (7, 90)]
    assert note == f"1 of 3 pictures are not in {path} and are left out"


def test_annotations_of_other_pictures_or_classes_are_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it has none of the pictures"):
        written(tiny_bundle, result("c.jpg"), path=annotations(tmp_path / "a.json"))
    with pytest.raises(OutputError, match="it has no category 'red', which the model tiny finds; it has green"):
        written(tiny_bundle, result("a.jpg"), path=annotations(tmp_path / "a.json", {"green": 1}))
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(OutputError, match="it is no annotation file of MS COCO"):
        read_annotations(tmp_path / "b.json")


def test_wrong_annotations_can_be_corrected_without_detecting_again(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, path = tmp_path / "found.json", annotations(tmp_path / "instances.json")
    assert detect(tiny_bundle, photos, "--out", out, "--annotations", path) == 1
    assert "it has none of the pictures" in capsys.readouterr().err
    assert not out.exists()
    assert detect(tiny_bundle, photos, "--out", out) == 0
    assert "0 pictures, 0 detections" in capsys.readouterr().err
    assert len(json.loads(out.read_bytes())) == 31
