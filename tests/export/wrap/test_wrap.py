"""`wrap`: models of every kind become bundles that agree with them, whatever their batch, precision and opset."""

from pathlib import Path

import onnx
import pytest

from export.__main__ import main
from export.errors import ExportError
from export.wrap.assembly import Batching
from export.wrap.kinds import KindName
from export.wrap.wrap import wrap
from service.bundle import HALF_MODEL, BundleError, read_bundle
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import EngineName
from tests.export.wrap import networks
from tests.export.wrap.conftest import Made
from tests.export.wrap.networks import CLASSES, HEIGHT, WIDTH, write_model
from tests.export.wrap.wishes import wish
from tests.tiny_bundle import tiny_model


@pytest.mark.parametrize(
    ("model", "kind", "found", "batching"),
    [
        (networks.yolox(batch=1, opset=11), "yolox", "yolox", "freed"),
        (networks.end_to_end(half=True), "yolo", "yolo-end2end", "as it is"),
        (networks.rtdetr(opset=21), "rtdetr", "rtdetr", "as it is"),
        (networks.torchvision(), "torchvision", "torchvision", "in a loop"),
    ],
    ids=["yolox of a fixed batch", "end to end in fp16", "rtdetr", "torchvision"],
)
def test_a_model_becomes_a_bundle_that_agrees_with_it(
    tmp_path: Path, model: onnx.ModelProto, kind: KindName, found: str, batching: Batching
) -> None:
    made = wrap(write_model(tmp_path / "model.onnx", model), tmp_path / "bundle", wish(tmp_path, kind))
    assert (made.examined.layout.kind, made.graph.batching) == (found, batching)
    is_half = found == "yolo-end2end"
    assert not made.graph.parity.exceeds(*((0.1, 2e-3) if is_half else (1e-3, 1e-4)))
    assert made.examined.doubt is None
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.manifest.classes == CLASSES
    assert (bundle.manifest.input.height, bundle.manifest.input.width) == (HEIGHT, WIDTH)
    assert bundle.manifest.source.preset == f"wrapped {found}"
    assert (made.half_problem is None) == (HALF_MODEL in bundle.manifest.files) == (kind in ("yolox", "rtdetr"))
    for engine in engines():
        check_golden(bundle, open_engine(bundle, engine, precision="fp32", num_threads=1))


def engines() -> tuple[EngineName, ...]:
    try:
        import openvino  # noqa: F401
    except ImportError:
        return ("onnx",)
    return ("onnx", "openvino")


def test_the_command_says_what_it_found_and_how_to_serve_it(yolo: Made, detr_with_mask: Made) -> None:
    assert "input images: float32 NCHW, 64×96 (height×width), centred-letterbox, RGB in 0-1\n" in yolo.printed
    assert (
        "output output0 [1, 7, 126]: 126 boxes as centre and size, 3 scores; the model takes any batch" in yolo.printed
    )
    assert f"serve it with: python -m service --bundle {yolo.bundle.path}" in yolo.printed
    words = "126 queries, softmax, the last logit means no object"
    assert f"output logits [1, 126, 4] and pred_boxes [1, 126, 4]: {words}" in detr_with_mask.printed


def test_a_model_with_the_outputs_of_a_bundle_is_packed_as_it_is(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.onnx", tiny_model())
    made = wrap(model, tmp_path / "bundle", wish(tmp_path, "candidates", classes=("red", "green")))
    assert made.bundle.model_path.read_bytes() == model.read_bytes()
    assert made.bundle.manifest.max_candidates == 20


def test_a_directory_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    model = write_model(tmp_path / "model.onnx", networks.yolov8())
    with pytest.raises(BundleError, match="it exists and is no bundle, so it is not replaced"):
        wrap(model, tmp_path / "mine", wish(tmp_path, "yolo"))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--activation", "softmax"], "--activation is for --kind detr, and --kind is yolo; leave it out"),
        (["--kind", "candidates", "--channels", "bgr"], "--kind candidates takes a graph that prepares its pixels"),
    ],
)
def test_options_that_do_not_fit_the_kind_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], fault: str
) -> None:
    paths = ["model.onnx", "--golden", "golden.png", "--out", str(tmp_path / "bundle")]
    assert main(["wrap", *paths, *options]) == 1
    assert fault in capsys.readouterr().err


def test_a_model_whose_golden_detections_would_be_missed_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.onnx", networks.yolox())  # boxes of a few pixels in other units
    with pytest.raises(ExportError, match="a server would not find all its detections in the golden image again"):
        wrap(model, tmp_path / "bundle", wish(tmp_path, "yolov5"))
    assert not (tmp_path / "bundle").exists()
