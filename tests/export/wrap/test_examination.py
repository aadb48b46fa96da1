"""Models, images and options that cannot be wrapped are refused in one sentence, before anything is written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from PIL import Image

from export.__main__ import main
from export.errors import ExportError
from export.wrap.examination import examine
from tests.export.wrap import networks
from tests.export.wrap.networks import CLASSES, write_model, write_picture
from tests.export.wrap.wishes import wish


def refused(folder: Path, model: onnx.ModelProto, fault: str, kind: str = "yolo", **changes: object) -> None:
    path = write_model(folder / "model.onnx", model)
    with pytest.raises(ExportError, match=fault):
        examine(path, wish(folder, kind, **changes))  # type: ignore[arg-type]


def test_a_file_that_is_no_model_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = write_picture(tmp_path / "golden.png")
    bad = tmp_path / "model.onnx"
    for content in (b"not a model", b"", b"\x08\x07"):
        bad.write_bytes(content)
        arguments = ["wrap", str(bad), "--classes", "a", "--golden", str(golden), "--out", str(tmp_path / "bundle")]
        assert main(arguments) == 1
        assert "it is not an ONNX model" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["golden.png", "model.onnx"]


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="there is no such file"):
        examine(tmp_path / "model.onnx", wish(tmp_path, "yolo"))


def test_a_model_without_the_file_of_its_weights_is_refused(tmp_path: Path) -> None:
    model = networks.yolov8()
    external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, tmp_path / "model.onnx")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ExportError, match="the file of its weights is missing or bad"):
        examine(tmp_path / "model.onnx", wish(tmp_path, "yolo"))


def test_weights_in_a_file_of_their_own_are_read(tmp_path: Path) -> None:
    model = networks.yolov8()
    external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, tmp_path / "model.onnx")
    found = examine(tmp_path / "model.onnx", wish(tmp_path, "yolo"))
    assert all(not tensor.external_data for tensor in found.model.proto.graph.initializer)


def test_an_opset_that_onnx_runtime_does_not_know_is_refused(tmp_path: Path) -> None:
    model = networks.yolov8()
    model.opset_import[0].version = 99
    refused(tmp_path, model, "ONNX Runtime cannot load it .opset 99.*export it again with standard operators")


def test_operators_of_another_domain_are_named(tmp_path: Path) -> None:
    model = networks.yolov8()
    model.opset_import.append(helper.make_opsetid("their", 1))
    model.graph.node[0].domain = "their"
    refused(tmp_path, model, "operators of its own their::Conv")


def test_a_model_with_two_images_as_inputs_is_refused(tmp_path: Path) -> None:
    model = networks.yolov8()
    model.graph.input.append(helper.make_tensor_value_info("depth", TensorProto.FLOAT, ["batch", 1, 64, 96]))
    refused(tmp_path, model, r"its inputs are images .*, depth .*; it must have one, for images")


@pytest.mark.parametrize(
    ("shape", "fault"),
    [
        (["batch", 1, 64, 96], "has 1 channels; only images in RGB or BGR fit"),
        ([8, 3, 64, 96], "it takes 8 images at once and no other number"),
        (["batch", 128], r"a detector's is one of float32, float16, uint8"),
    ],
)
def test_an_input_that_takes_no_images_is_refused(tmp_path: Path, shape: list[int | str], fault: str) -> None:
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("Identity", ["images"], ["out"])], "copying", [given], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    refused(tmp_path, model, fault)


def test_the_size_must_be_known(tmp_path: Path) -> None:
    model = networks.yolov8(height="height", width="width")
    refused(tmp_path, model, "it takes images of any size; choose one with --size HEIGHTxWIDTH")
    sizes = model.metadata_props.add(key="imgsz")
    for sizes.value in ("(64, 96)", "[64.0, 96.0]", "[0, 96]", "[-64, 96]", "[64]", "any"):
        refused(tmp_path, model, "it takes images of any size; choose one with --size HEIGHTxWIDTH")
    fixed = networks.yolov8()
    refused(tmp_path, fixed, r"it takes images of 64×96 \(height×width\) and --size is 96×64", size=(96, 64))


def test_a_size_that_the_model_cannot_compute_is_refused(tmp_path: Path) -> None:
    model = networks.yolov8(height="height", width="width")
    fault = r"it cannot run with images \[1, 3, 65, 120\]: .*Attempting to broadcast .*; see --size"
    refused(tmp_path, model, fault, size=(65, 120))


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    model = networks.yolov8()
    model.metadata_props.add(key="task", value="pose")
    refused(tmp_path, model, "its metadata say that its task is pose; take a model of the task detect")


def test_a_model_that_does_not_name_its_classes_needs_classes(tmp_path: Path) -> None:
    refused(tmp_path, networks.yolov8(), "it does not name its classes; give them with --classes", classes=None)


def test_an_image_without_detections_is_refused(tmp_path: Path) -> None:
    black = tmp_path / "black.png"
    Image.new("RGB", (96, 64)).save(black)
    model = networks.yolov8()
    fault = r"the model detects nothing in the golden image: its best score is 0\.5, and --score-threshold is 0\.9"
    refused(tmp_path, model, fault, golden=black, score_threshold=0.9)


def test_a_score_threshold_above_1_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, networks.yolov8(), r"--score-threshold 1\.5: Input should be less than", score_threshold=1.5)


def test_only_boxes_that_the_model_does_not_choose_itself_get_nms(tmp_path: Path) -> None:
    for model, method, iou_threshold in (
        (networks.yolov8(), "gaussian", 0.45),
        (networks.end_to_end(), "hard", 1),  # no IoU is above 1
    ):
        found = examine(write_model(tmp_path / "model.onnx", model), wish(tmp_path, "yolo"))
        assert (found.manifest.nms.method, found.manifest.nms.iou_threshold) == (method, iou_threshold)
    linear = examine(tmp_path / "model.onnx", wish(tmp_path, "yolo", nms="linear"))
    assert linear.manifest.nms.method == "linear"


def test_a_golden_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("words")
    refused(tmp_path, networks.yolov8(), r"words\.png: .*; --golden takes an image", golden=tmp_path / "words.png")
    refused(tmp_path, networks.yolov8(), r"none\.png: .*; --golden takes an image", golden=tmp_path / "none.png")


def with_filters(model: onnx.ModelProto, change: Callable[[np.ndarray], np.ndarray]) -> onnx.ModelProto:
    """The model with other filters in its first convolution."""
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
    return model


def test_a_model_that_gives_nan_is_refused(tmp_path: Path) -> None:
    model = with_filters(networks.yolov8(), lambda filters: filters * np.float32(np.nan))
    refused(tmp_path, model, "the model gives NaN or infinite numbers; if it is in fp16, export it in fp32")


def test_scores_that_are_logits_are_refused(tmp_path: Path) -> None:
    model = networks.yolov8()
    for node in model.graph.node:
        if node.op_type == "Concat" and node.output[0] == model.graph.node[-1].input[0]:
            sigmoid = next(n for n in model.graph.node if n.output[0] == node.input[1])
            sigmoid.op_type = "Exp"
    refused(tmp_path, model, r"the model gives a score of [\d.e+]+, and a score is at most 1")


def test_another_number_of_boxes_for_each_image_is_refused(tmp_path: Path) -> None:
    fault = r"its output boxes is \[1, \d+, 4\] or .*, by the image; export it with a fixed number of boxes"
    refused(tmp_path, networks.strong(0.8), fault, kind="rtdetr")


def test_more_labels_than_classes_are_refused(tmp_path: Path) -> None:
    refused(
        tmp_path,
        networks.rtdetr(),
        r"the model gives labels from \d to 2 \(counted from 0\), and --classes has 2 names",
        kind="rtdetr",
        classes=CLASSES[:2],
    )


def test_boxes_in_other_units_are_doubted(tmp_path: Path) -> None:
    """A YOLO whose boxes are in 0…1."""
    model = networks.detr(len(CLASSES), ("logits", "boxes"))
    model.graph.node.append(helper.make_node("Sigmoid", ["logits"], ["scores"]))
    model.graph.node.append(helper.make_node("Concat", ["boxes", "scores"], ["rows"], axis=2))
    del model.graph.output[:]
    shape = ["batch", networks.NUM_CELLS, 4 + len(CLASSES)]
    model.graph.output.append(helper.make_tensor_value_info("rows", TensorProto.FLOAT, shape))
    found = examine(write_model(tmp_path / "model.onnx", model), wish(tmp_path, "yolo"))
    assert found.doubt is not None
    assert "no box is larger than" in found.doubt
