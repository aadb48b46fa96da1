"""Another project's ONNX model: its inputs, and how ONNX Runtime runs it."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from export.errors import ExportError
from export.wrap.class_names import names_in_metadata

Outputs = Mapping[str, NDArray[Any]]
"""The outputs of a model by name."""
Axes = Literal["NCHW", "NHWC", "CHW"]
LARGEST_PROTOBUF = 2**31
IMAGE_TYPES = ("float32", "float16", "uint8")
# Further inputs that say nothing new if each image has exactly the size of the input.
SIZES, MASK = "orig_target_sizes", "pixel_mask"


@dataclass(frozen=True)
class ImageInput:
    """The input that takes images. A batch, height or width of None is not fixed; CHW takes one image."""

    name: str
    dtype: str
    axes: Axes
    batch: int | None
    height: int | None
    width: int | None


@dataclass(frozen=True)
class FurtherInput:
    """An input SIZES (B, 2), width and height of each image, or MASK (B, H, W), which is 1 where the image is."""

    name: str
    dtype: str


class ForeignModel:
    """The model in an ONNX file, with its session in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.proto = load(path)
        self.metadata = {entry.key: entry.value for entry in self.proto.metadata_props}
        try:
            self._session = quiet_session(self.proto.SerializeToString())
        except Exception as error:  # ONNX Runtime's own exceptions have no common base class
            raise refusal(path, self.proto, error) from error
        inputs = self._session.get_inputs()
        self.further = tuple(FurtherInput(i.name, dtype_of(i)) for i in inputs if i.name in (SIZES, MASK))
        images = [i for i in inputs if i.name not in (SIZES, MASK)]
        if len(images) != 1:
            listed = ", ".join(f"{i.name} {dtype_of(i)} {list(i.shape)}" for i in inputs) or "none"
            raise ExportError(
                f"{path}: its inputs are {listed}; it must have one, for images, and may have {SIZES} and {MASK}; "
                "export it with the other inputs as constants"
            )
        self.images = image_input(path, images[0])
        self.output_names = tuple(output.name for output in self._session.get_outputs())

    @property
    def is_half(self) -> bool:
        """Whether the model has weights in fp16."""
        return any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in self.proto.graph.initializer)

    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in the metadata; raises ExportError if there are none."""
        names = names_in_metadata(self.metadata)
        if names is None:
            raise ExportError(f"{self.path}: it does not name its classes; give them with --classes")
        return names

    def run(self, feeds: dict[str, NDArray[Any]]) -> Outputs:
        """The outputs by name; raises ExportError if ONNX Runtime cannot compute them."""
        try:
            return dict(zip(self.output_names, self._session.run(None, feeds), strict=True))
        except Exception as error:  # ONNX Runtime's own exceptions have no common base class
            shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in feeds.items())
            raise ExportError(f"{self.path}: it cannot run with {shapes}: {first_line(error)}; see --size") from error

    def size(self, given: tuple[int, int] | None) -> tuple[int, int]:
        """Height and width of the input: the model's own, else --size, else the metadata's; raises ExportError."""
        fixed = self.images.height, self.images.width
        if given is not None:
            for side, wanted in zip(fixed, given, strict=True):
                if side not in (None, wanted):
                    raise ExportError(
                        f"{self.path}: it takes images of {fixed[0] or 'any'}×{fixed[1] or 'any'} (height×width) "
                        f"and --size is {given[0]}×{given[1]}; leave --size out, or export the model for that size"
                    )
            return given
        if fixed[0] is not None and fixed[1] is not None:
            return fixed[0], fixed[1]
        if match := re.fullmatch(r"\[([1-9]\d*), ?([1-9]\d*)\]", self.metadata.get("imgsz", "")):
            return int(match[1]), int(match[2])
        raise ExportError(f"{self.path}: it takes images of any size; choose one with --size HEIGHTxWIDTH")


def load(path: Path) -> onnx.ModelProto:
    """The model with all its weights; raises ExportError if the file, or a file of its weights, is missing or bad."""
    if not path.is_file():
        raise ExportError(f"{path}: there is no such file; name the ONNX file of a detector")
    try:
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise ExportError(
            f"{path}: it is not an ONNX model; export the detector with torch.onnx or its own exporter"
        ) from error
    if not model.graph.node or not model.graph.output:
        raise ExportError(f"{path}: it is not an ONNX model, or an empty one; export the detector again")
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ExportError(
            f"{path}: the file of its weights is missing or bad ({first_line(error)}); put it beside the model"
        ) from error
    if model.ByteSize() >= LARGEST_PROTOBUF:
        raise ExportError(f"{path}: it has more than 2 GB, which one ONNX file cannot hold")
    return model


def quiet_session(model: bytes) -> Any:
    """A session of ONNX Runtime on the CPU that raises its errors and does not print them, too."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def refusal(path: Path, model: onnx.ModelProto, error: Exception) -> ExportError:
    """The error for a model that ONNX Runtime cannot load."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    foreign = Counter(f"{node.domain}::{node.op_type}" for node in model.graph.node if node.domain)
    own = f", operators of its own {', '.join(foreign)}" if foreign else ""
    return ExportError(
        f"{path}: ONNX Runtime cannot load it (opset {opset}{own}): {first_line(error)}; export it again with "
        "standard operators, in an opset from 14 to 20"
    )


def image_input(path: Path, tensor: Any) -> ImageInput:
    """The input that takes images; raises ExportError if it takes something else."""
    lengths = [length if isinstance(length, int) and length > 0 else None for length in tensor.shape]
    dtype = dtype_of(tensor)
    if dtype not in IMAGE_TYPES or len(lengths) not in (3, 4):
        raise ExportError(
            f"{path}: its input {tensor.name} is {dtype} {list(tensor.shape)}; a detector's is one of "
            f"{', '.join(IMAGE_TYPES)} with the axes batch, channels, height and width"
        )
    axes: Axes = "CHW" if len(lengths) == 3 else "NHWC" if lengths[3] == 3 and lengths[1] != 3 else "NCHW"
    by_axis = dict(zip(axes, lengths, strict=True))
    if by_axis["C"] not in (None, 3):
        raise ExportError(f"{path}: its input {tensor.name} has {by_axis['C']} channels; only images in RGB or BGR fit")
    batch = by_axis.get("N", 1)
    if batch not in (None, 1):
        raise ExportError(f"{path}: it takes {batch} images at once and no other number; export it with a batch of 1")
    return ImageInput(tensor.name, dtype, axes, batch, by_axis["H"], by_axis["W"])


def dtype_of(tensor: Any) -> str:
    """The element type in NumPy's words."""
    kind: str = tensor.type.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(kind, kind)


def first_line(error: BaseException) -> str:
    """The first line of a library's message, shortened in its middle: ONNX Runtime puts the reason last."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 300 else f"{lines[0][:100]}…{lines[0][-200:]}"
