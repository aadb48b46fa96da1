"""A bundle that needs no training: its graph scores 16×16 blocks by how red or how green they are."""

import io
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from service.bundle import (
    GOLDEN,
    MODEL,
    Bundle,
    Golden,
    GoldenDetection,
    InputSpec,
    Manifest,
    NmsDefaults,
    Resize,
    Source,
    write_bundle,
)
from service.card import Card

SIZE = 64
BLOCK = 16
STEP = 8
BLOCKS_A_SIDE = (SIZE - BLOCK) // STEP + 1
NUM_BLOCKS = BLOCKS_A_SIDE**2
NUM_CANDIDATES = 20
CLASSES = ("red", "green")
EXAMPLE = "example.png"


def write_tiny_bundle(
    path: Path,
    *,
    name: str = "tiny",
    version: str = "1",
    resize: Resize = "stretch",
    brightness: int = 255,
    card: Card | None = None,
    example: bytes | None = None,
) -> Bundle:
    """Write the bundle to `path`. A block that is entirely red (green) is a detection with score 1 and label 0 (1).

    With a `brightness` below 255 the detections of the golden image score brightness / 255. The bundle of a `card` has
    a picture EXAMPLE, which is the golden image if no other is given.
    """
    golden = Golden(
        detections=(
            GoldenDetection(label=0, score=brightness / 255, box=(16, 16, 32, 32)),
            GoldenDetection(label=1, score=brightness / 255, box=(40, 40, 56, 56)),
        )
    )
    manifest = Manifest(
        name=name,
        version=version,
        classes=CLASSES,
        input=InputSpec(height=SIZE, width=SIZE, resize=resize),
        max_candidates=NUM_CANDIDATES,
        nms=NmsDefaults(score_threshold=0.6),
        files={},
        source=Source(preset="none", checkpoint_sha256="0" * 64, data_set="none"),
        golden=golden,
        card=card,
    )
    files = {MODEL: tiny_model().SerializeToString(), GOLDEN: png(golden_image(brightness))}
    if card:
        files[EXAMPLE] = example or files[GOLDEN]
    return write_bundle(path, manifest, files)


def golden_image(brightness: int = 255) -> NDArray[np.uint8]:
    """A black image with a red block at (16, 16) and a green one at (40, 40)."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[16:32, 16:32, 0] = brightness
    image[40:56, 40:56, 1] = brightness
    return image


def png(image: NDArray[np.uint8]) -> bytes:
    """image uint8 [H, W, 3] as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def tiny_model() -> onnx.ModelProto:
    """images uint8 [B, 64, 64, 3] -> the 20 best (block, class) pairs, by the mean of the red and the green channel."""
    corners = np.array(
        [(x, y) for y in range(0, SIZE - BLOCK + 1, STEP) for x in range(0, SIZE - BLOCK + 1, STEP)], np.float32
    )
    constants = {
        "block_boxes": np.concatenate([corners, corners + BLOCK], axis=1),  # [49, 4]
        "full": np.array(255, np.float32),
        "starts": np.array([0], np.int64),
        "ends": np.array([2], np.int64),
        "channel_axis": np.array([1], np.int64),
        "flat": np.array([0, -1], np.int64),
        "k": np.array([NUM_CANDIDATES], np.int64),
        "num_blocks": np.array(NUM_BLOCKS, np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Slice", ["planes", "starts", "ends", "channel_axis"], ["red_green"]),
        helper.make_node("AveragePool", ["red_green"], ["means"], kernel_shape=[BLOCK, BLOCK], strides=[STEP, STEP]),
        helper.make_node("Div", ["means", "full"], ["block_scores"]),  # [B, 2, 7, 7]
        helper.make_node("Reshape", ["block_scores", "flat"], ["pair_scores"]),  # [B, 98]
        helper.make_node("TopK", ["pair_scores", "k"], ["scores", "pairs"], axis=1),
        helper.make_node("Div", ["pairs", "num_blocks"], ["wide_labels"]),
        helper.make_node("Cast", ["wide_labels"], ["labels"], to=TensorProto.INT32),
        helper.make_node("Mod", ["pairs", "num_blocks"], ["blocks"]),
        helper.make_node("Gather", ["block_boxes", "blocks"], ["boxes"], axis=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["B", NUM_CANDIDATES, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", NUM_CANDIDATES]),
            helper.make_tensor_value_info("labels", TensorProto.INT32, ["B", NUM_CANDIDATES]),
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    return model
