"""The detectors in torch, by precision and batch size, eager and in a CUDA graph."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from comparison.gpu.detectors import KeptConstants, detect, make_detector, random_images
from comparison.gpu.kernel.launch import require_cuda
from comparison.gpu.step import Findings, Options
from comparison.gpu.timing import gpu_milliseconds, host_milliseconds
from models.presets.catalogue import find_preset

PRESETS = ("passd-320-mobilenet", "passd-320-vgg16", "retinanet-fsaf-512-resnet50")
BATCHES = (1, 8, 32)
NUM_WARM_UPS = 3
CAPTION = "Random weights, 20 classes"


@dataclass(frozen=True)
class Form:
    """The type that the layers compute in, and whether float32 may be rounded to TF32."""

    name: str
    dtype: torch.dtype
    allows_tf32: bool = True


FORMS = (
    Form("fp32", torch.float32, allows_tf32=False),
    Form("tf32", torch.float32),
    Form("fp16", torch.float16),
    Form("bf16", torch.bfloat16),
)


def run(options: Options, findings: Findings) -> None:
    """Measure every preset; on the CPU one image of the first one."""
    if options.is_cpu:
        measure_on_cpu(findings)
        return
    require_cuda()
    torch.backends.cudnn.benchmark = True
    for name in PRESETS:
        model = make_detector(name, "cuda")
        side = find_preset(name).model.input_size
        for form in FORMS:
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = form.allows_tf32
            for batch in BATCHES:
                work = partial(detect, model, random_images(batch, side, "cuda"), form.dtype)
                with torch.inference_mode():
                    findings.row(
                        CAPTION, {"preset": name, "precision": form.name, "batch": batch, **measure(work, batch)}
                    )


def measure(work: Callable[[], Any], batch: int) -> dict[str, object]:
    """ms of a call, eager and in a CUDA graph, and images a second of the graph."""
    for _ in range(NUM_WARM_UPS):
        work()
    eager = gpu_milliseconds(work)
    try:
        with KeptConstants():  # they must live as long as the graph
            graphed = gpu_milliseconds(captured(work).replay)
    except RuntimeError as error:
        torch.cuda.synchronize()
        print(f"no graph: {str(error).splitlines()[0]}")
        return {"eager, ms": eager, "CUDA graph, ms": "–", "images/s": f"{1e3 * batch / eager:.0f}"}
    return {"eager, ms": eager, "CUDA graph, ms": graphed, "images/s": f"{1e3 * batch / graphed:.0f}"}


def captured(work: Callable[[], Any]) -> torch.cuda.CUDAGraph:
    """The work as a CUDA graph."""
    side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side_stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side_stream):
        for _ in range(NUM_WARM_UPS):  # torch allocates, and makes the constants
            work()
    torch.cuda.current_stream().wait_stream(side_stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph


def measure_on_cpu(findings: Findings) -> None:
    """One image, in fp32."""
    model = make_detector(PRESETS[0], "cpu")
    work = partial(detect, model, random_images(1, find_preset(PRESETS[0]).model.input_size), torch.float32)
    with torch.inference_mode():
        findings.row(CAPTION, {"preset": PRESETS[0], "precision": "fp32", "batch": 1, "ms": host_milliseconds(work, 2)})
