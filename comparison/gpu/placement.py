"""Where ONNX Runtime runs the nodes of a model: on the GPU, on the CPU, and the copies between the two."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.engines.onnx_cuda import CUDA, SETTINGS
from service.engines.tensor_contract import IMAGES, OUTPUTS


@dataclass(frozen=True)
class Placement:
    """The number of nodes on the GPU, of copies, and of nodes on the CPU by operator."""

    num_on_gpu: int
    num_copies: int
    on_cpu: Counter[str]


def open_session(
    path: Path, *, is_on_gpu: bool, batch: int | None = None, num_threads: int = 1, folder: Path | None = None
) -> Any:
    """A session, with a fixed batch size if one is given; it writes a profile into `folder` if that is given."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, num_threads
    if folder is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(folder / "profile")
    if batch is not None:
        options.add_free_dimension_override_by_name(batch_axis(path), batch)
    providers: list[Any] = [(CUDA, SETTINGS)] if is_on_gpu else []
    return onnxruntime.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])


def batch_axis(path: Path) -> str:
    """The name of the batch axis in a model."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # it is not run
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return str(session.get_inputs()[0].shape[0])


def placement(path: Path, images: NDArray[np.uint8], folder: Path, *, is_on_gpu: bool, is_fixed: bool) -> Placement:
    """Run the images (B, H, W, 3) with a profile, and read where each node ran."""
    session = open_session(path, is_on_gpu=is_on_gpu, batch=len(images) if is_fixed else None, folder=folder)
    session.run(OUTPUTS, {IMAGES: images})
    events = json.loads(Path(session.end_profiling()).read_text())
    nodes = {event["name"]: event["args"] for event in events if event["name"].endswith("_kernel_time")}
    on_cpu = Counter(node["op_name"] for node in nodes.values() if node["provider"] == "CPUExecutionProvider")
    num_copies = sum(node["op_name"].startswith("Memcpy") for node in nodes.values())
    return Placement(len(nodes) - on_cpu.total() - num_copies, num_copies, on_cpu)
