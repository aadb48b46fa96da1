"""`python -m export parity` compares each engine with the reference, and its exit status says whether they agree."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.__main__ import main
from export.compare import Comparison, ParityError, read_images
from export.parity import Difference
from service.bundle import Bundle, InputSpec
from tests.models.pictures import draw, write_voc
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seven images, so that the last batch of five is not full, and of a file that is no image."""
    path = tmp_path_factory.mktemp("images")
    for seed in range(7):
        Image.fromarray(draw(seed).pixels).save(path / f"{seed}.png")
    (path / "notes.txt").write_text("not an image")
    return path


def test_engines_that_agree_are_listed_and_the_status_is_0(
    bundle: Bundle, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_voc(tmp_path / "rectangles", {"test": 2})
    status = main(["parity", str(bundle.path), "--images", str(folder), "--data", str(data), "--split", "test"])
    output = capsys.readouterr()
    assert status == 0, output.err
    announcement, *table = output.out.splitlines()
    assert announcement.startswith("rectangles/test: 2 images")
    lines = [line.split() for line in table]
    assert lines[0] == ["engine", "batch", "boxes", "(px)", "scores", "unpaired", "AP50"]
    assert [(line[0], line[3]) for line in lines[1:3]] == [("onnx", "1"), ("onnx", "5")]
    assert lines[-1][:2] == ["7", "images,"]


def test_a_difference_beyond_tolerance_is_a_fault_of_an_fp32_engine_alone() -> None:
    far = {5: Difference(boxes=0.002, scores=0, num_missing=0)}
    (fault,) = Comparison("openvino (cpu, fp32)", True, far, None).faults()
    assert fault.startswith("openvino (cpu, fp32) at batch 5: boxes 0.002 px")
    assert Comparison("openvino (cpu, bf16)", False, far, 0.1).faults() == []


@pytest.mark.parametrize("points", [0.21, -0.21])
def test_ap_may_differ_by_a_fifth_of_a_point(points: float) -> None:
    near = {1: Difference(0, 0, 0)}
    assert Comparison("openvino (cpu, bf16)", False, near, 0.19).faults() == []
    (fault,) = Comparison("openvino (cpu, bf16)", False, near, points).faults()
    assert f"AP50 differs by {points:+.2f} points" in fault


def test_a_folder_without_images_is_named(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parity", str(bundle.path), "--images", str(tmp_path)]) == 1
    assert f"{tmp_path}: it has no images" in capsys.readouterr().err


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    with pytest.raises(ParityError, match=r"broken\.jpg"):
        read_images(tmp_path, InputSpec(height=64, width=64, resize="stretch"))


def test_images_are_fitted_as_the_server_fits_them(folder: Path) -> None:
    images = read_images(folder, InputSpec(height=64, width=32, resize="stretch"))
    assert images.shape == (7, 64, 32, 3)
    assert images.dtype == np.uint8


def test_int8_may_lose_as_much_ap_as_its_bundle_allows() -> None:
    assert Comparison("openvino (cpu, int8)", False, {}, -0.4, 0.5).faults() == []
    (fault,) = Comparison("openvino (cpu, int8)", False, {}, -0.6, 0.5).faults()
    assert fault == "openvino (cpu, int8): AP50 differs by -0.60 points (allowed: 0.5)"
