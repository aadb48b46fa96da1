"""Small detectors with the output layouts of other projects, in ONNX, with fixed random weights.

All have convolutions of the strides 8, 16 and 32 on images of 64×96 pixels, so 126 cells, and CLASSES.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HEIGHT, WIDTH = 64, 96
STRIDES = (8, 16, 32)
CLASSES = ("square", "disc", "star")
NUM_CELLS = sum((HEIGHT // stride) * (WIDTH // stride) for stride in STRIDES)
Length = int | str | None
Outputs = Sequence[tuple[str, str, Sequence[Length]]]


class Network:
    """A graph that grows: each call of `add` appends a node and returns the name of its output."""

    def __init__(
        self,
        *,
        batch: Length = "batch",
        height: Length = HEIGHT,
        width: Length = WIDTH,
        half: bool = False,
        opset: int = 17,
        images: str = "images",
        gain: float = 1,
    ) -> None:
        self.kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.opset = opset
        self.is_fixed = batch == 1
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.images = images
        self.gain = gain
        self.inputs = [helper.make_tensor_value_info(images, self.kind, [batch, 3, height, width])]
        self._random = np.random.default_rng(7)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        (output,) = self.split(operator, 1, *inputs, **attributes)
        return output

    def split(self, operator: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """A node with `count` outputs."""
        outputs = [f"t{len(self.nodes)}.{number}" for number in range(count)]
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs

    def constant(self, values: Any, kind: Any = None) -> str:
        """A constant in the network's precision, or of the given type."""
        floats = np.float16 if self.kind == TensorProto.FLOAT16 else np.float32
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, kind or floats), name))
        return name

    def raw(self, channels: int) -> str:
        """Numbers of about -3…3: (B, channels, NUM_CELLS)."""
        levels = []
        for stride in STRIDES:
            filters = self._random.normal(0, 1.5, (channels, 3, 1, 1)) * np.ones((1, 1, stride, stride)) / stride**2
            filters = self.gain * filters * (1 + self._random.normal(0, 1, filters.shape))
            level = self.add("Conv", self.images, self.constant(filters), strides=[stride, stride])
            shape = self.constant([1 if self.is_fixed else 0, channels, -1], np.int64)
            levels.append(self.add("Reshape", level, shape))
        return self.add("Concat", *levels, axis=2)

    def part(self, value: str, start: int, end: int, axis: int = 1) -> str:
        return self.add("Slice", value, *(self.constant([n], np.int64) for n in (start, end, axis)))

    def centres_and_sizes(self, raw: str) -> str:
        """Boxes (B, 4, NUM_CELLS), cxcywh in pixels, around the centres of their cells."""
        cells = [
            ((x + 0.5) * s, (y + 0.5) * s, s) for s in STRIDES for y in range(HEIGHT // s) for x in range(WIDTH // s)
        ]
        x, y, size = np.array(cells).T
        base = np.stack([x - size / 2, y - size / 2, size, size])[None]
        scale = np.stack([size, size, 2 * size, 2 * size])[None]
        shares = self.add("Sigmoid", self.part(raw, 0, 4))
        return self.add("Add", self.add("Mul", shares, self.constant(scale)), self.constant(base))

    def model(self, outputs: Outputs, kinds: Sequence[int] = ()) -> onnx.ModelProto:
        """`outputs` are (tensor, name, shape), in the network's precision unless `kinds` gives their types."""
        infos = []
        for number, (value, name, shape) in enumerate(outputs):
            self.nodes.append(helper.make_node("Identity", [value], [name]))
            infos.append(helper.make_tensor_value_info(name, kinds[number] if kinds else self.kind, shape))
        graph = helper.make_graph(self.nodes, "network", self.inputs, infos, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def yolov8(*, rows_first: bool = False, **options: Any) -> onnx.ModelProto:
    """[B, 4+K, N], or with `rows_first` [B, N, 4+K]."""
    net = Network(**options)
    raw = net.raw(4 + len(CLASSES))
    scores = net.add("Sigmoid", net.part(raw, 4, 4 + len(CLASSES)))
    rows = net.add("Concat", net.centres_and_sizes(raw), scores, axis=1)
    shape: list[Length] = [1 if net.is_fixed else "batch", 4 + len(CLASSES), NUM_CELLS]
    if rows_first:
        rows, shape = net.add("Transpose", rows, perm=[0, 2, 1]), [shape[0], shape[2], shape[1]]
    return net.model([(rows, "output0", shape)])


def yolov5(*, repeats: int = 3, **options: Any) -> onnx.ModelProto:
    """[B, repeats * N, 5+K] with objectness; YOLOv5 has three boxes a cell."""
    net = Network(**options)
    parts = []
    for _ in range(repeats):
        raw = net.raw(5 + len(CLASSES))
        scores = net.add("Sigmoid", net.part(raw, 4, 5 + len(CLASSES)))
        parts.append(net.add("Concat", net.centres_and_sizes(raw), scores, axis=1))
    rows = net.add("Transpose", net.add("Concat", *parts, axis=2), perm=[0, 2, 1])
    return net.model([(rows, "output", ["batch", repeats * NUM_CELLS, 5 + len(CLASSES)])])


def yolox(num_classes: int = len(CLASSES), **options: Any) -> onnx.ModelProto:
    """[B, N, 5+K] as offsets in cells, logarithms of sizes, and scores, of pixels in 0…255."""
    net = Network(gain=2 / 255, **options)
    raw = net.raw(5 + num_classes)
    offsets = net.add("Tanh", net.part(raw, 0, 4))
    scores = net.add("Sigmoid", net.add("Add", net.part(raw, 4, 5 + num_classes), net.constant(1)))
    rows = net.add("Transpose", net.add("Concat", offsets, scores, axis=1), perm=[0, 2, 1])
    return net.model([(rows, "output", [1 if net.is_fixed else "batch", NUM_CELLS, 5 + num_classes])])


def end_to_end(count: int = 20, **options: Any) -> onnx.ModelProto:
    """[B, count, 6]: x1 y1 x2 y2, score, label."""
    net = Network(**options)
    rows, scores, labels = chosen(net, count)
    column = net.constant([2], np.int64)
    parts = [rows, *(net.add("Unsqueeze", value, column) for value in (scores, net.add("Cast", labels, to=net.kind)))]
    return net.model([(net.add("Concat", *parts, axis=2), "output0", ["batch", count, 6])])


def chosen(net: Network, count: int) -> tuple[str, str, str]:
    """The `count` boxes (B, count, 4) xyxy with the best class, scores (B, count), labels (B, count) int64."""
    raw = net.raw(4 + len(CLASSES))
    scores = net.add("Sigmoid", net.part(raw, 4, 4 + len(CLASSES)))
    each = net.split("TopK", 2, scores, net.constant([1], np.int64), axis=1)
    best, labels = (net.add("Squeeze", value, net.constant([1], np.int64)) for value in each)
    boxes = net.add("Transpose", corners(net, net.centres_and_sizes(raw)), perm=[0, 2, 1])
    top, places = net.split("TopK", 2, best, net.constant([count], np.int64), axis=1)
    wide = net.add(
        "Expand", net.add("Unsqueeze", places, net.constant([2], np.int64)), net.constant([1, 1, 4], np.int64)
    )
    return net.add("GatherElements", boxes, wide, axis=1), top, net.add("GatherElements", labels, places, axis=1)


def corners(net: Network, boxes: str) -> str:
    """cxcywh (B, 4, N) -> xyxy."""
    half = net.add("Mul", net.part(boxes, 2, 4), net.constant(0.5))
    centres = net.part(boxes, 0, 2)
    return net.add("Concat", net.add("Sub", centres, half), net.add("Add", centres, half), axis=1)


def detr(
    num_logits: int = len(CLASSES) + 1,
    names: tuple[str, str] = ("logits", "pred_boxes"),
    *,
    mask: bool = False,
    **options: Any,
) -> onnx.ModelProto:
    """logits [B, N, num_logits] and boxes [B, N, 4] cxcywh in 0…1."""
    net = Network(**{"images": "pixel_values", **options})
    raw = net.raw(4 + num_logits)
    scale = net.constant(np.reshape([1 / WIDTH, 1 / HEIGHT, 1 / WIDTH, 1 / HEIGHT], (1, 4, 1)))
    boxes = net.add("Transpose", net.add("Mul", net.centres_and_sizes(raw), scale), perm=[0, 2, 1])
    logits = net.part(raw, 4, 4 + num_logits)
    if mask:
        net.inputs.append(helper.make_tensor_value_info("pixel_mask", TensorProto.INT64, ["batch", HEIGHT, WIDTH]))
        share = net.add("ReduceMean", net.add("Cast", "pixel_mask", to=net.kind), axes=[1, 2], keepdims=1)
        logits = net.add("Mul", logits, share)
    logits = net.add("Transpose", logits, perm=[0, 2, 1])
    return net.model([(logits, names[0], ["batch", NUM_CELLS, num_logits]), (boxes, names[1], ["batch", NUM_CELLS, 4])])


def rtdetr(count: int = 30, **options: Any) -> onnx.ModelProto:
    """labels, boxes in the pixels of the second input, and scores."""
    net = Network(**options)
    net.inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["batch", 2]))
    boxes, scores, labels = chosen(net, count)
    sizes = net.add("Cast", "orig_target_sizes", to=net.kind)
    four = net.add("Unsqueeze", net.add("Concat", sizes, sizes, axis=1), net.constant([1], np.int64))
    boxes = net.add("Mul", net.add("Div", boxes, net.constant([WIDTH, HEIGHT, WIDTH, HEIGHT])), four)
    outputs: Outputs = [
        (labels, "labels", ["batch", count]),
        (boxes, "boxes", ["batch", count, 4]),
        (scores, "scores", ["batch", count]),
    ]
    return net.model(outputs, [TensorProto.INT64, net.kind, net.kind])


def torchvision(*, with_batch_axis: bool = False, **options: Any) -> onnx.ModelProto:
    """boxes [D, 4], labels [D] from 1 and scores [D] of one image, after NMS: D is another number for each image."""
    net = Network(batch=1, **options)
    if not with_batch_axis:
        net.inputs = [helper.make_tensor_value_info("image", net.kind, [3, HEIGHT, WIDTH])]
        net.images = net.add("Unsqueeze", "image", net.constant([0], np.int64))
    boxes, scores, labels = chosen(net, 60)
    threshold = [net.constant([value], np.float32) for value in (0.5, 0.2)]
    each = net.add("Unsqueeze", scores, net.constant([1], np.int64))
    kept = net.add("NonMaxSuppression", boxes, each, net.constant([40], np.int64), *threshold)
    places = net.add("Squeeze", net.part(kept, 2, 3), net.constant([1], np.int64))
    first = net.constant([0], np.int64)
    boxes, scores, labels = (
        net.add("Gather", net.add("Squeeze", value, first), places, axis=0) for value in (boxes, scores, labels)
    )
    labels = net.add("Add", labels, net.constant(1, np.int64))
    outputs: Outputs = [(boxes, "boxes", ["D", 4]), (labels, "labels", ["D"]), (scores, "scores", ["D"])]
    return net.model(outputs, [net.kind, TensorProto.INT64, net.kind])


def strong(score: float, **options: Any) -> onnx.ModelProto:
    """labels, boxes and scores [1, D] of those of 60 boxes with a higher score: D is another number for each image."""
    net = Network(batch=1, **options)
    boxes, scores, labels = chosen(net, 60)
    first = net.constant([0], np.int64)
    is_strong = net.add("Greater", net.add("Squeeze", scores, first), net.constant(score))
    places = net.add("Squeeze", net.add("NonZero", is_strong), first)
    boxes, scores, labels = (net.add("Gather", value, places, axis=1) for value in (boxes, scores, labels))
    outputs: Outputs = [(labels, "labels", [1, "D"]), (boxes, "boxes", [1, "D", 4]), (scores, "scores", [1, "D"])]
    return net.model(outputs, [TensorProto.INT64, net.kind, net.kind])


def tensorflow(count: int = 30, **options: Any) -> onnx.ModelProto:
    """The outputs of TensorFlow's Object Detection API, from uint8 [B, H, W, 3]."""
    net = Network(**options)
    net.inputs = [helper.make_tensor_value_info("input_tensor", TensorProto.UINT8, ["batch", HEIGHT, WIDTH, 3])]
    floats = net.add("Cast", "input_tensor", to=net.kind)
    net.images = net.add("Div", net.add("Transpose", floats, perm=[0, 3, 1, 2]), net.constant(255))
    boxes, scores, labels = chosen(net, count)
    boxes = net.add("Div", boxes, net.constant([WIDTH, HEIGHT, WIDTH, HEIGHT]))
    boxes = net.add("Gather", boxes, net.constant([1, 0, 3, 2], np.int64), axis=2)
    labels = net.add("Add", net.add("Cast", labels, to=net.kind), net.constant(1))
    number = net.add("ReduceSum", net.add("Sign", scores), net.constant([1], np.int64), keepdims=0)
    return net.model(
        [
            (boxes, "detection_boxes", ["batch", count, 4]),
            (labels, "detection_classes", ["batch", count]),
            (scores, "detection_scores", ["batch", count]),
            (number, "num_detections", ["batch"]),
        ]
    )


def picture(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """An image uint8 (height, width, 3) with large patches of random colours."""
    patches = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BILINEAR))


def write_picture(path: Path, height: int = HEIGHT, width: int = WIDTH) -> Path:
    Image.fromarray(picture(height, width)).save(path)
    return path


def write_model(path: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, path)
    return path
