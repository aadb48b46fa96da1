"""`python -m export.benchmark_engines`: times the engines on this CPU, with a model and with one offset convolution.

The engines run in turn, round by round, so that other load on the machine slows all of them equally. A speedup is the
median of the rounds' own ratios, not the ratio of two medians.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from onnxruntime import __version__ as onnxruntime_version
from openvino import __version__ as openvino_version

from export.errors import ExportError
from export.graph import ExportGraph, fold_and_round
from export.int8_model import quantise
from export.offset_conv_benchmark import offset_conv_runs
from export.to_onnx import to_onnx
from models.presets.catalogue import find_preset
from models.presets.preset import PresetError
from service.bundle import Bundle, BundleError, Golden, Int8Form, Manifest, Source, read_bundle
from service.cores import num_cores
from service.engines.open import open_engine
from service.engines.protocol import Engine, EngineError, EngineName, Precision
from service.version import add_version

EXAMPLES = """examples:
  python -m export.benchmark_engines  (PASSD-320 with MobileNet and with VGG-16, random weights)
  python -m export.benchmark_engines bundles/mine --batches 1 8 --out engines.json
"""
MODELS = ("passd-320-mobilenet", "passd-320-vgg16")
FILTERS = (8, 25, 85)  # O = classes + 5: blood cells, Pascal VOC, MS COCO
REFERENCE = "ONNX Runtime fp32"
ENGINES: tuple[tuple[str, EngineName, Precision], ...] = (
    (REFERENCE, "onnx", "fp32"),
    ("OpenVINO fp32", "openvino", "fp32"),
    ("OpenVINO bf16", "openvino", "bf16"),
)
NUM_CALIBRATION_IMAGES = 8
NUM_CLASSES = 20  # of a preset's graph: as many as Pascal VOC has

Run = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One measurement. Rows with the same `table` and `batch` are compared with the first of them."""

    table: str
    name: str
    batch: int
    milliseconds: float  # an image
    speedup: float  # over the first row


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        rows = measure(options)
    except (BundleError, EngineError, ExportError, PresetError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    print(markdown(rows))
    versions = f"ONNX Runtime {onnxruntime_version}, OpenVINO {openvino_version}, threads: {options.threads}"
    print(f"\n{versions}; medians of {options.rounds} rounds, taken in turn")
    if options.out:
        content = {"versions": versions, "rounds": options.rounds, "rows": [asdict(row) for row in rows]}
        options.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "python -m export.benchmark_engines",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version(top)
    top.add_argument("models", nargs="*", default=MODELS, help=f"bundles or presets (default: {' '.join(MODELS)})")
    top.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8], help="batch sizes (default: 1 4 8)")
    top.add_argument(
        "--filters",
        type=int,
        nargs="*",
        default=FILTERS,
        help="filters of the offset convolution for each box, a table for each number (default: 8 25 85)",
    )
    top.add_argument("--rounds", type=int, default=20, help="number of times that each is timed (default: 20)")
    top.add_argument("--threads", type=int, default=num_cores(), help="of each engine (default: one a core)")
    top.add_argument("--int8", action="store_true", help="measure int8 as well; NNCF makes a form that is missing")
    top.add_argument("--out", type=Path, help="write the figures to this file as JSON")
    return top


def measure(options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    for target in options.models:
        with tempfile.TemporaryDirectory() as folder:
            bundle = read_bundle(Path(target)) if Path(target).is_dir() else random_bundle(target, Path(folder))
            engines = open_engines(bundle, options.threads)
            if options.int8:
                in_int8 = bundle if bundle.manifest.int8 else with_noise_in_int8(bundle, Path(folder))
                engines["OpenVINO int8"] = open_engine(
                    in_int8, "openvino", precision="int8", num_threads=options.threads
                )
            for batch in options.batches:
                spec = bundle.manifest.input
                images = np.random.default_rng(0).integers(0, 256, (batch, spec.height, spec.width, 3), dtype=np.uint8)
                runs: dict[str, Run] = {name: partial(engine, images) for name, engine in engines.items()}
                rows += timed(bundle.manifest.name, runs, batch, options.rounds)
            for engine in engines.values():
                engine.close()
    for filters in options.filters:
        runs = dict(offset_conv_runs(filters, options.threads))
        rows += timed(f"offset convolution, O = {filters}", runs, 1, options.rounds)
    return rows


def open_engines(bundle: Bundle, num_threads: int) -> dict[str, Engine]:
    """The server's engines by name, without bf16 if the CPU lacks it."""
    engines = {}
    for label, name, precision in ENGINES:
        try:
            engines[label] = open_engine(bundle, name, precision=precision, num_threads=num_threads)
        except EngineError as error:
            if precision != "bf16":
                raise
            print(f"{label}: {error}", file=sys.stderr)
    return engines


def random_bundle(preset_name: str, folder: Path) -> Bundle:
    """Write a preset's graph with random weights, which do not affect speed, as an unchecked bundle to `folder`."""
    torch.manual_seed(0)
    preset = find_preset(preset_name)
    model = preset.build(tuple(f"class {number}" for number in range(NUM_CLASSES))).eval()
    fold_and_round(model)
    config = model.config
    manifest = Manifest(
        name=preset_name,
        version="random",
        classes=model.classes,
        input=config.input_spec,
        max_candidates=config.max_candidates,
        files={},
        source=Source(preset=preset_name, checkpoint_sha256="0" * 64, data_set="none"),
        golden=Golden(detections=()),
    )
    bundle = Bundle(folder, manifest)
    graph = to_onnx(ExportGraph(model, config.max_candidates), config.input_spec)
    bundle.model_path.write_bytes(graph.SerializeToString())
    return bundle


def with_noise_in_int8(bundle: Bundle, folder: Path) -> Bundle:
    """Write an unchecked copy of a bundle with a form in int8 to `folder`; it is calibrated with noise, so only its
    speed means something. Raises ExportError.
    """
    spec, form = bundle.manifest.input, Int8Form(data_set="noise", num_images=1, max_loss=0, loss=0)
    shape = (NUM_CALIBRATION_IMAGES, spec.height, spec.width, 3)
    model = bundle.model_path.read_bytes()
    content = quantise(model, list(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))).form()
    copy = Bundle(folder, bundle.manifest.model_copy(update={"int8": form}))
    copy.model_path.write_bytes(model)
    (folder / form.file).write_bytes(content)
    return copy


def timed(table: str, runs: Mapping[str, Run], batch: int, num_rounds: int) -> list[Row]:
    """Time each of `runs` once a round, after a round of warm-up, and compare each with the first."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(num_rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    times = {name: np.array(values) for name, values in seconds.items()}
    reference = next(iter(times.values()))
    return [
        Row(table, name, batch, 1000 * float(np.median(own)) / batch, float(np.median(reference / own)))
        for name, own in times.items()
    ]


def markdown(rows: list[Row]) -> str:
    """A table for each model: images/s, ms an image and the speedup over the first row."""
    lines = []
    for table in dict.fromkeys(row.table for row in rows):
        own = [row for row in rows if row.table == table]
        batches = list(dict.fromkeys(row.batch for row in own))
        lines += ["", f"| {table} | " + " | ".join(f"batch {batch}" for batch in batches) + " |"]
        lines.append("| --- " * (len(batches) + 1) + "|")
        for name in dict.fromkeys(row.name for row in own):
            cells = [
                f"{1000 / row.milliseconds:.1f}/s, {row.milliseconds:.2f} ms, {row.speedup:.2f}x"
                for row in own
                if row.name == name
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines).strip()


if __name__ == "__main__":
    sys.exit(main())
