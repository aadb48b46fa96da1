"""PASSD's Figures 1 and 2: the numbers of matched boxes, the sampling positions, and the drawn images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.__main__ import main
from models.boxes.geometry import cxcywh_to_xyxy
from models.data.open import open_data_set
from models.papers.matching import NUM_BINS, ObjectMatches, by_scale, match_objects, num_matched
from models.papers.sampling import best_boxes, tap_positions
from models.passd.passd import PASSD
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from tests.models import oracles
from tests.models.pictures import CLASSES, draw
from tests.models.random_boxes import random_boxes
from tests.models.untrained_checkpoint import write_untrained

SMALL = ["model.input_size=64"]


@pytest.fixture(scope="module")
def passd() -> PASSD:
    torch.manual_seed(0)
    model = override(find_preset("passd-320-mobilenet"), SMALL).build(CLASSES).eval()
    assert isinstance(model, PASSD)
    return model


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_untrained(tmp_path / "best.pt", "passd-320-mobilenet", SMALL)


@pytest.mark.parametrize("seed", range(3))
def test_matched_boxes_are_counted_by_object(seed: int) -> None:
    boxes, objects = random_boxes(60, seed), random_boxes(5, seed + 9)
    matched = oracles.match(
        [tuple(b) for b in boxes.tolist()], [tuple(b) for b in objects.tolist()], 0.3, force_best=False
    )
    assert num_matched(boxes, objects, 0.3).tolist() == [matched.count(m) for m in range(5)]


def test_matches_are_those_of_the_default_and_the_adjusted_boxes(passd: PASSD, voc_tree: Path) -> None:
    data_set = open_data_set(voc_tree, "train")
    matches = match_objects(passd, data_set)
    assert len(matches.scales) == len(matches.before) == len(matches.after) == 12
    scale = np.array([64 / 128, 64 / 96] * 2)  # from images of 128 x 96 pixels
    first = torch.from_numpy(data_set.samples[0].boxes * scale.astype(np.float32))
    expected = num_matched(cxcywh_to_xyxy(passd.default), first, 0.5)
    assert matches.before[:2].tolist() == expected.tolist()
    sides = (first[:, 2:] - first[:, :2]).prod(dim=1).sqrt()
    assert matches.scales[:2] == pytest.approx(sides.tolist())


def test_objects_are_averaged_by_scale() -> None:
    matches = ObjectMatches(np.array([1.0, 2, 159, 400]), np.array([2, 4, 5, 7]), np.array([0, 0, 1, 3]))
    middles, (before, after) = by_scale(matches, 320)
    assert (len(middles), middles[0], middles[-1]) == (NUM_BINS, 10, 310)
    assert {i: value for i, value in enumerate(before) if not np.isnan(value)} == {0: 3, 7: 5, 15: 7}
    assert after[[0, 7, 15]].tolist() == [0, 1, 3]


def test_taps_are_on_thirds_of_the_adjusted_box_around_its_centre(passd: PASSD) -> None:
    adjusted = passd.default + torch.tensor([1.0, -2, 3, 6])
    taps = tap_positions(passd, adjusted[None])
    assert taps.shape == (len(adjusted), 9, 2)
    for n in (0, 1, 2, 5, 191, 192, 240, 254):
        cx, cy, w, h = adjusted[n].tolist()
        expected = [(cx + i * w / 3, cy + j * h / 3) for j in (-1, 0, 1) for i in (-1, 0, 1)]
        torch.testing.assert_close(taps[n], torch.tensor(expected), rtol=0, atol=1e-3)


def test_chosen_boxes_have_the_best_scores_and_overlap_little(passd: PASSD) -> None:
    image = np.array(Image.fromarray(draw(0).pixels).resize((64, 64)))
    boxes = best_boxes(passd, image, 4)
    assert 1 <= len(boxes) <= 4
    scores = [box.score for box in boxes]
    assert scores == sorted(scores, reverse=True)
    for i, box in enumerate(boxes):
        for other in boxes[:i]:
            assert oracles.iou(tuple(box.final.tolist()), tuple(other.final.tolist())) < 0.45


def test_both_figures_are_drawn(
    checkpoint: Path, voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(voc_tree), "--split", "test", "--out", str(tmp_path / "new" / "matching.png")]
    assert main(["analyse", "matching", str(checkpoint), *data]) == 0
    assert "6 objects are matched by" in capsys.readouterr().out
    image, out = str(voc_tree / "JPEGImages" / "000000.png"), str(tmp_path / "new" / "sampling.png")
    assert main(["analyse", "sampling", str(checkpoint), image, "--boxes", "2", "--out", out]) == 0
    for name in ("matching.png", "sampling.png"):
        with Image.open(tmp_path / "new" / name) as drawn:
            assert np.asarray(drawn.convert("RGB")).std() > 10


def test_the_error_names_a_file_that_is_not_an_image(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "x.jpg"
    image.write_text("not an image")
    assert main(["analyse", "sampling", str(checkpoint), str(image), "--out", str(tmp_path / "x.png")]) == 1
    assert "x.jpg: not an image" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["figure", "figure.xyz", "."])
def test_a_name_that_no_figure_can_have_is_refused_before_the_work(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["matching", "nope.pt", "--data=D"], ["sampling", "nope.pt", "x.jpg"]):
        assert main(["analyse", *arguments, f"--out={tmp_path / name}"]) == 1
        assert f"--out {tmp_path / name}: give the name of a PNG, e.g. figure.png" in capsys.readouterr().err
