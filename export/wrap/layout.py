"""Which outputs of a model are its detections, and how they are decoded: found from their names and shapes."""

from dataclasses import dataclass, replace

from export.errors import ExportError
from export.wrap.cells import ANCHORS_A_CELL, levels_of
from export.wrap.decoders import Activation, DecodedBoxes, Decoder, DetrQueries, EndToEndRows, YoloRows, YoloxRows
from export.wrap.foreign_model import Outputs
from export.wrap.kinds import KINDS, KindName
from service.engines.tensor_contract import OUTPUTS

MAX_CANDIDATES = 1000  # of a raw head, as in this project's presets
MAX_UNBATCHED = 300  # of a model whose number of boxes is not fixed


@dataclass(frozen=True)
class Layout:
    """The outputs that `decoder` takes, by name and in its order; `kind` is never `yolo`, and `found` is in words."""

    kind: KindName
    outputs: tuple[str, ...]
    decoder: Decoder
    found: str


@dataclass(frozen=True)
class Task:
    """What is asked of a model: the number of classes, its input's size, and an activation if --activation names it."""

    num_classes: int
    height: int
    width: int
    activation: Activation | None = None


def layout_of(kind: KindName, outputs: Outputs, task: Task) -> Layout:
    """How the `outputs` for one image are decoded; raises ExportError if they do not fit the kind or the classes."""
    if kind == "candidates":
        return candidates(outputs, task)
    if kind == "detr":
        return detr(outputs, task)
    if kind in ("rtdetr", "torchvision", "tensorflow"):
        return decoded(kind, outputs, task)
    return yolo(kind, outputs, task)


def yolo(kind: KindName, outputs: Outputs, task: Task) -> Layout:
    """The layout of a YOLO, whose only output has three axes."""
    if len(outputs) != 1:
        raise refusal(kind, outputs, "name another --kind, or export a YOLO for detection alone, with one output")
    ((name, output),) = outputs.items()
    shape = output.shape
    if len(shape) != 3:
        raise refusal(kind, outputs)
    fitting = {fit: layout for fit, layout in yolo_layouts(kind, name, shape, task).items() if kind in ("yolo", fit)}
    if not fitting:
        raise refusal(kind, outputs, f"--classes has {task.num_classes} names; is one missing or too many?")
    if len(fitting) > 1:
        raise ExportError(f"the output {name} {list(shape)} may be that of {' or '.join(fitting)}; choose with --kind")
    return next(iter(fitting.values()))


def yolo_layouts(kind: KindName, name: str, shape: tuple[int, ...], task: Task) -> dict[KindName, Layout]:
    """The layouts that an output of that shape (1, …, …) may have."""
    _, rows, columns = shape
    layouts: dict[KindName, Layout] = {}

    def count(num_boxes: int) -> int:
        return min(MAX_CANDIDATES, num_boxes * task.num_classes)

    def add(found: KindName, decoder: Decoder, words: str) -> None:
        layouts[found] = Layout(found, (name,), decoder, f"{name} {list(shape)}: {words}")

    boxes, classes = "boxes as centre and size", f"{task.num_classes} scores"
    levels = levels_of(rows, task.height, task.width)
    has_anchors = levels_of(rows, task.height, task.width, ANCHORS_A_CELL) is not None
    if columns == 6 and (kind == "yolo-end2end" or not (levels or has_anchors)):
        add("yolo-end2end", EndToEndRows(rows), f"{rows} boxes that the model chooses itself, score, label")
    if columns == 5 + task.num_classes:
        decoder = YoloRows(has_objectness=True, channels_first=False, max_candidates=count(rows))
        add("yolov5", decoder, f"{rows} {boxes}, objectness, {classes}")
        if levels is not None:
            strides = ", ".join(str(level.stride) for level in levels)
            words = f"{rows} boxes in cells of the strides {strides}, objectness, {classes}"
            add("yolox", YoloxRows(levels, count(rows)), words)
    # a head with several boxes a cell has objectness, which a name too many would make a class
    if 4 + task.num_classes in (rows, columns) and (kind == "yolov8" or not has_anchors):
        is_first = rows == 4 + task.num_classes
        num_boxes = columns if is_first else rows
        decoder = YoloRows(has_objectness=False, channels_first=is_first, max_candidates=count(num_boxes))
        add("yolov8", decoder, f"{num_boxes} {boxes}, {classes}")
    return layouts


def detr(outputs: Outputs, task: Task) -> Layout:
    """The layout of a DETR: the output with four columns has the boxes, and the other one the logits."""
    three = {name: output.shape for name, output in outputs.items() if output.ndim == 3}
    boxes = [name for name, shape in three.items() if shape[2] == 4 and "logit" not in name and name != "labels"]
    if len(boxes) > 1:  # of three or four classes, whose logits have four columns, too
        boxes = [name for name in boxes if "box" in name]
    if len(boxes) != 1:
        raise refusal("detr", outputs)
    num_queries = three[boxes[0]][1]
    logits = [
        name
        for name, shape in three.items()
        if name != boxes[0] and shape[1] == num_queries and shape[2] in (task.num_classes, task.num_classes + 1)
    ]
    if len(logits) != 1:
        raise refusal("detr", outputs, f"--classes has {task.num_classes} names; is one missing or too many?")
    length = three[logits[0]][2]
    if task.activation == "softmax" and length == task.num_classes:
        raise refusal("detr", outputs, "softmax needs one logit more than classes, for no object; use sigmoid")
    # RF-DETR calls its outputs dets and labels; it has a logit more than classes, and applies sigmoid all the same
    is_sigmoid = length == task.num_classes or logits[0] == "labels"
    activation = task.activation or ("sigmoid" if is_sigmoid else "softmax")
    last = "the last logit means no object" if activation == "softmax" else "the last logit is not used"
    words = f"{num_queries} queries, {activation}" + (f", {last}" if length > task.num_classes else "")
    decoder = DetrQueries(activation, task.num_classes, task.height, task.width, num_queries)
    listed = f"{logits[0]} {list(three[logits[0]])} and {boxes[0]} {list(three[boxes[0]])}"
    return Layout("detr", (logits[0], boxes[0]), decoder, f"{listed}: {words}")


NAMES: dict[KindName, tuple[str, str, str]] = {
    "rtdetr": ("boxes", "scores", "labels"),
    "torchvision": ("boxes", "scores", "labels"),
    "tensorflow": ("detection_boxes", "detection_scores", "detection_classes"),
}


def decoded(kind: KindName, outputs: Outputs, task: Task) -> Layout:
    """The layout of a model that chooses its boxes itself: boxes, scores and labels, by their names or their form."""
    known = {name.removesuffix(":0"): name for name in outputs}  # TensorFlow's names end so
    is_known = set(NAMES[kind]) <= set(known)
    boxes, scores, labels = NAMES[kind]
    names = (known[boxes], known[scores], known[labels]) if is_known else by_form(kind, outputs)
    return decoded_by_names(kind, names, outputs, task)


def decoded_by_names(kind: KindName, names: tuple[str, str, str], outputs: Outputs, task: Task) -> Layout:
    """The layout of a model with boxes, scores and labels of these names."""
    boxes, scores, labels = (outputs[name] for name in names)
    has_batch_axis = kind != "torchvision"
    if boxes.ndim != 2 + has_batch_axis or boxes.shape[-1] != 4 or not scores.shape == labels.shape == boxes.shape[:-1]:
        raise refusal(kind, outputs)
    first_label = 0 if kind == "rtdetr" else 1
    count = boxes.shape[-2] if has_batch_axis else MAX_UNBATCHED
    decoder = DecodedBoxes(
        coordinates="yxyx in 0…1" if kind == "tensorflow" else "xyxy in pixels",
        first_label=first_label,
        height=task.height,
        width=task.width,
        max_candidates=count,
        has_batch_axis=has_batch_axis,
    )
    words = f"{', '.join(names)}: at most {count} boxes that the model chooses itself, labels from {first_label}"
    return Layout(kind, names, decoder, words)


def candidates(outputs: Outputs, task: Task) -> Layout:
    """The layout of a bundle's own model."""
    if not set(OUTPUTS) <= set(outputs):
        raise refusal("candidates", outputs)
    layout = decoded_by_names("rtdetr", ("boxes", "scores", "labels"), outputs, task)
    return replace(layout, kind="candidates", found=f"{layout.decoder.max_candidates} candidates")


def by_form(kind: KindName, outputs: Outputs) -> tuple[str, str, str]:
    """The names of boxes, scores and labels if the outputs have other names: by the axes and the element types."""
    boxes = [name for name, output in outputs.items() if output.shape[-1:] == (4,)]
    labels = [name for name, output in outputs.items() if output.dtype.kind in "iu" and name not in boxes]
    scores = [name for name, output in outputs.items() if output.dtype.kind == "f" and name not in boxes]
    if [len(names) for names in (boxes, scores, labels)] != [1, 1, 1]:
        names = ", ".join(NAMES[kind])
        raise refusal(kind, outputs, f"call them {names}, or give of these only the labels an integer type")
    return boxes[0], scores[0], labels[0]


def refusal(kind: KindName, outputs: Outputs, remedy: str = "see `--kind` in docs/wrap.md") -> ExportError:
    listed = ", ".join(f"{name} {list(output.shape)}" for name, output in outputs.items())
    wanted = f"--kind {kind} needs {KINDS[kind].outputs}, K the number of classes"
    return ExportError(f"the model's outputs are {listed}; {wanted}; {remedy}")
