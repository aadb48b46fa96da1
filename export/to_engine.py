"""Builds a TensorRT engine from a bundle's ONNX model and adds it to the bundle."""

import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import onnx
from google.protobuf.message import DecodeError

from export.engine_builder import ENGINE, OUTCOME, Job, Outcome
from export.errors import ExportError
from export.half_precision import to_half
from service.bundle import Bundle, EngineFile, add_engine, read_bundle
from service.engines.protocol import EngineError
from service.engines.tensor_contract import OfferedTensor, check_tensors
from service.engines.tensorrt.cache import EngineCache, key_of
from service.engines.tensorrt.choose import Flavour
from service.engines.tensorrt.cuda import CudaError, gpu_target
from service.engines.tensorrt.plugin import NAMESPACE, OPERATOR

Precision = Literal["fp16", "fp32"]

MAX_TOP_K = 3840  # of TensorRT's TopK layer

PRODUCTS: dict[Flavour, str] = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
EXTRAS: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt_rtx": "engine"}


@dataclass(frozen=True)
class BuiltEngine:
    """An engine in its bundle. It has `num_plugins` offset convolutions."""

    path: Path
    file: EngineFile
    num_plugins: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.path.stat().st_size / 1e6:.1f} MB, {PRODUCTS[self.file.flavour]} {self.file.version}, "
            f"{self.file.precision}, up to {self.file.max_batch} images, {self.num_plugins} plugin layers, "
            f"built in {self.seconds:.0f} s"
        )


def build_engine(
    path: Path,
    *,
    target: str | None = None,
    precision: Precision = "fp16",
    max_batch: int = 8,
    flavour: Flavour | None = None,
    cache: Path | None = None,
    reports_progress: bool = False,
) -> BuiltEngine:
    """Build an engine for the GPU architecture `target`, or for this machine's, and add it to the bundle at `path`.

    If there is a `cache`, the engine is added to that directory, from which a server on this machine takes it, and the
    bundle stays as it is. TensorRT itself builds only on a machine with that GPU. TensorRT for RTX builds without a
    GPU, for any architecture. `reports_progress` prints `progress DONE TOTAL PHASE` instead of a progress bar.
    Raises BundleError and ExportError, and then changes nothing.
    """
    started = time.monotonic()
    if max_batch < 1:
        raise ExportError(f"--max-batch is {max_batch}; it must be at least 1")
    bundle = read_bundle(path)
    flavour, target = choose(flavour, target)
    if cache is not None:
        check_writable(cache)
    network, num_plugins = network_of(bundle, precision)
    with tempfile.TemporaryDirectory() as folder:
        engine, version = run_builder(
            Path(folder), network, flavour, target, max_batch, num_plugins, reports_progress=reports_progress
        )
    file = EngineFile(
        flavour=flavour, version=version, compute_capability=target, precision=precision, max_batch=max_batch
    )
    try:
        if cache is None:
            written = path / f"{target}.engine"
            add_engine(path, written.name, file, engine)
        else:
            written = EngineCache(cache).add(key_of(bundle, file), engine)
    except OSError as error:
        remedy = "make room there" if error.errno == errno.ENOSPC else "copy the bundle to a writable directory"
        raise ExportError(f"{cache or path}: cannot be written ({error.strerror}); {remedy}") from error
    return BuiltEngine(written, file, num_plugins, time.monotonic() - started)


def check_writable(cache: Path) -> None:
    """Make the directory if it is not there; raises ExportError if no file can be written to it."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError as error:
        raise ExportError(f"{cache}: cannot be written ({error.strerror}); name a writable directory") from error


def choose(flavour: Flavour | None, target: str | None) -> tuple[Flavour, str]:
    """Replace a flavour or target of None with this machine's default, and check that they fit; raises ExportError."""
    try:
        own, reason = gpu_target(), ""
    except CudaError as error:
        own, reason = None, str(error)
    if flavour is None:
        flavour = "tensorrt" if own and target in (None, own) and find_spec("tensorrt") else "tensorrt_rtx"
    if find_spec(flavour) is None:
        raise ExportError(f"{PRODUCTS[flavour]} is not installed; install it with `pip install .[{EXTRAS[flavour]}]`")
    if target is None and own is None:
        raise ExportError(f"which GPU is the engine for? {reason}; name its architecture, e.g. --target sm_89")
    if flavour == "tensorrt" and own is None:
        raise ExportError(
            f"TensorRT builds only on a machine with the GPU that runs the engine: {reason}; build on such a machine, "
            "or use --flavour tensorrt_rtx"
        )
    if flavour == "tensorrt" and target not in (None, own):
        raise ExportError(
            f"TensorRT builds only for this machine's GPU, which is {own}, not {target}; build on a machine with "
            f"{target}, or use --flavour tensorrt_rtx"
        )
    return flavour, str(own) if target is None else target


def network_of(bundle: Bundle, precision: Precision) -> tuple[bytes, int]:
    """The bundle's model in that precision, and its number of offset convolutions; raises ExportError.

    The function that defines the offset convolution is deleted: TensorRT would use it instead of the plugin.
    """
    if bundle.manifest.max_candidates > MAX_TOP_K:
        raise ExportError(
            f"{bundle.path}: max_candidates is {bundle.manifest.max_candidates}, and TensorRT finds at most "
            f"{MAX_TOP_K} in an image; serve the bundle without TensorRT, or train with a smaller max_candidates"
        )
    try:
        model = onnx.load(bundle.model_path)
    except DecodeError as error:
        raise ExportError(f"{bundle.model_path}: not an ONNX model ({error}); export the bundle again") from error
    try:
        check_tensors(
            bundle.model_path,
            bundle.manifest,
            [offered(tensor) for tensor in model.graph.input],
            [offered(tensor) for tensor in model.graph.output],
            remedy="export the bundle again with `python -m export build`",
            is_exact=True,
        )
    except EngineError as error:
        raise ExportError(str(error)) from error
    if any(node.op_type == "GridSample" for node in model.graph.node):
        raise ExportError(
            f"{bundle.model_path}: it has GridSample, which TensorRT may compute wrongly (NVIDIA/TensorRT#4813); "
            "export the bundle again, which replaces it with OffsetConv"
        )
    custom = {f"{node.domain}::{node.op_type}" for node in model.graph.node if node.domain}
    foreign = ", ".join(sorted(custom - {f"{NAMESPACE}::{OPERATOR}"}))
    if foreign:
        raise ExportError(f"{bundle.model_path}: there is no plugin for {foreign}; export the bundle again")
    if precision == "fp16":
        model = to_half(model)
    del model.functions[:]
    num_plugins = sum(node.domain == NAMESPACE for node in model.graph.node)
    return model.SerializeToString(), num_plugins


def offered(value: onnx.ValueInfoProto) -> OfferedTensor:
    """An input or output as the ONNX graph describes it."""
    tensor = value.type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    shape = tuple(length.dim_value if length.HasField("dim_value") else None for length in tensor.shape.dim)
    return OfferedTensor(value.name, {"float": "float32"}.get(kind, kind), shape if tensor.HasField("shape") else None)


def run_builder(
    folder: Path,
    network: bytes,
    flavour: Flavour,
    target: str,
    max_batch: int,
    num_plugins: int,
    *,
    reports_progress: bool = False,
) -> tuple[bytes, str]:
    """Build in a process of its own, with files in `folder`, and return the engine and TensorRT's version.

    Raises ExportError if there is no engine, or if the process ends without an outcome.
    """
    job = Job(str(folder / "network.onnx"), flavour, target, max_batch, num_plugins, reports_progress)
    Path(job.network).write_bytes(network)
    (folder / "job.json").write_text(json.dumps(asdict(job)))
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(library_path(folder))}
    done = subprocess.run(
        [sys.executable, "-m", "export.engine_builder", str(folder / "job.json")], env=environment, check=False
    )
    if not (folder / OUTCOME).is_file():
        ended = f"was killed by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
        raise ExportError(
            f"the process of {PRODUCTS[flavour]} {ended} while it built for {target}; nothing was written"
        )
    outcome = Outcome(**json.loads((folder / OUTCOME).read_text()))
    if outcome.error:
        raise ExportError(f"no engine for {target}: {outcome.error}")
    return (folder / ENGINE).read_bytes(), outcome.version


def library_path(folder: Path) -> list[str]:
    """LD_LIBRARY_PATH for the builder. TensorRT for RTX opens its library by a name that its wheel (1.7) lacks.

    A link of that name is made in `folder`.
    """
    paths = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if path]
    spec = find_spec("tensorrt_rtx_libs")
    for location in (spec.submodule_search_locations or []) if spec else []:
        for library in Path(location).glob("libtensorrt_rtx.so.*"):
            (folder / "libtensorrt_rtx.so").symlink_to(library)
            paths.insert(0, str(folder))
    return paths
