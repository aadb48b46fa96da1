"""The bundle: the directory that passes from export to the server.

A bundle holds `manifest.json`, `model.onnx`, the golden image, `model.fp16.onnx`, which is the same graph with its
convolutions in fp16 and takes its filters from `model.onnx`, and, if they were built, `model.int8.onnx`, the same with
convolutions in int8, and TensorRT engines for some GPUs. If it has a card, it may hold example pictures.
The contract of `model.onnx`, and of every engine made from it:

- input `images`: uint8 [B, H, W, 3] RGB, H and W as in `manifest.input`; the batch axis is dynamic;
- outputs `boxes`: float32 [B, T, 4], xyxy in input pixels; `scores`: float32 [B, T], in falling order; `labels`:
  int32 [B, T], an index into `classes`; T = `max_candidates`; padding rows have score 0.

Normalisation, box decoding and top-k are inside the graph; the server does soft-NMS, thresholds and formats.
"""

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from service.card import MAX_EXAMPLE_BYTES, Card
from service.errors import validation_problems

MANIFEST = "manifest.json"
MODEL = "model.onnx"
HALF_MODEL = "model.fp16.onnx"
INT8_MODEL = "model.int8.onnx"
GOLDEN = "golden.png"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]  # part of URLs, as the name
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


Resize = Literal["stretch", "letterbox", "centred-letterbox"]


class BundleError(Exception):
    """A bundle cannot be read or written; the message names the file, the fault and the remedy."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Part):
    """The image that the graph takes: its size in pixels, and how an image of another shape is fitted into it.

    A letterbox has the image at its top left, or in its centre, and grey elsewhere.
    """

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    resize: Resize


class NmsDefaults(_Part):
    """How the server turns candidates into detections if a request sets nothing else (Soft-NMS: Bodla et al. 2017)."""

    method: Literal["gaussian", "linear", "hard"] = "gaussian"
    sigma: float = Field(default=0.5, gt=0)
    iou_threshold: float = Field(default=0.45, ge=0, le=1)
    score_threshold: float = Field(default=0.3, ge=0, le=1)
    max_detections: int = Field(default=100, gt=0)


class EngineFile(_Part):
    """A TensorRT engine in the bundle: it fits one GPU architecture and one exact version of TensorRT."""

    flavour: Literal["tensorrt", "tensorrt_rtx"]
    version: str
    compute_capability: str
    precision: Literal["fp32", "fp16"]
    max_batch: int = Field(gt=0)


class Int8Form(_Part):
    """The model with convolutions in int8, and the loss that was measured when it was made.

    `loss` is the loss of the mean AP50:95 against fp32, in points, on `num_images` images of `data_set` that the
    quantisation had not seen. `float_layers` are the convolutions that are not in int8, by the names of their filters.
    """

    file: str = INT8_MODEL
    data_set: str
    num_images: int = Field(gt=0)
    max_loss: float = Field(ge=0)
    loss: float
    float_layers: tuple[str, ...] = ()

    @property
    def is_accurate(self) -> bool:
        """Whether the loss is within its bound."""
        return self.loss <= self.max_loss


class Source(_Part):
    """The origin of the weights."""

    preset: str
    checkpoint_sha256: Sha256
    data_set: str


class GoldenDetection(_Part):
    """One detection that the golden image must give: box xyxy in pixels of the golden image."""

    label: int = Field(ge=0)
    score: float = Field(ge=0, le=1)
    box: tuple[float, float, float, float]


class Golden(_Part):
    """An image of exactly the input's size, and the exported graph's detections in it with the bundle's NMS defaults.

    The scores may lie below the default threshold: a weak model has nothing above it.
    """

    file: str = GOLDEN
    detections: tuple[GoldenDetection, ...]


class Manifest(_Part):
    """`manifest.json`."""

    format: Literal[1] = 1
    name: Name
    version: Version
    classes: tuple[str, ...] = Field(min_length=1)
    input: InputSpec
    max_candidates: int = Field(gt=0)
    nms: NmsDefaults = NmsDefaults()
    files: dict[str, Sha256]
    engines: dict[str, EngineFile] = {}
    int8: Int8Form | None = None
    card: Card | None = None
    source: Source
    metrics: dict[str, float] = {}
    golden: Golden

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        if twice := [name for name, count in Counter(self.classes).items() if count > 1]:
            raise PydanticCustomError("classes", f"classes has {twice[0]!r} twice; give each class a name of its own")
        if any(not name.strip() for name in self.classes):
            raise PydanticCustomError("classes", "classes has an empty name; give each class a name of its own")
        labels = [detection.label for detection in self.golden.detections]
        if max(labels, default=0) >= len(self.classes):
            message = f"golden has the label {max(labels)}, and classes has only {len(self.classes)} names"
            raise PydanticCustomError("labels", f"{message}; name every class of the model")
        return self


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest is valid and whose files have the hashes that the manifest gives."""

    path: Path
    manifest: Manifest

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def half_model_path(self) -> Path | None:
        """The model for GPUs, with its convolutions in fp16; None if the bundle has none."""
        return self.path / HALF_MODEL if HALF_MODEL in self.manifest.files else None

    @property
    def int8_model_path(self) -> Path | None:
        """The model for CPUs, with convolutions in int8; None if the bundle has none."""
        return self.path / self.manifest.int8.file if self.manifest.int8 else None

    def without_int8(self) -> "Bundle":
        """The same bundle for a reader that does not use the form in int8."""
        return Bundle(self.path, self.manifest.model_copy(update={"int8": None}))

    @property
    def golden_path(self) -> Path:
        return self.path / self.manifest.golden.file

    @property
    def example_paths(self) -> tuple[Path, ...]:
        """The example pictures of the card."""
        return tuple(self.path / name for name in examples_of(self.manifest))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read and check the bundle in directory `path`; raises BundleError if it is not one."""
    return check_files(path, read_manifest(path))


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of the bundle in directory `path`; raises BundleError if there is none or a bad one."""
    manifest_path = path / MANIFEST
    if not manifest_path.is_file():
        remedy = f"build one with `python -m export build CHECKPOINT --out {path}`"
        raise BundleError(f"{path}: there is no {MANIFEST}, so it is not a bundle; {remedy}")
    return parse_manifest(manifest_path.read_bytes(), str(manifest_path))


def parse_manifest(content: bytes, place: str) -> Manifest:
    """The manifest in the file at `place`, whose files are named safely; raises BundleError."""
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        problems = validation_problems(error.errors(), empty_location="the file")
        raise BundleError(f"{place}: {problems}; export the bundle again") from error
    int8_files = [manifest.int8.file] if manifest.int8 else []
    for required in (MODEL, manifest.golden.file, *int8_files, *examples_of(manifest)):
        if required not in manifest.files:
            raise BundleError(f"{place}: files does not list {required}; export the bundle again")
    for name in manifest.files:
        if Path(name).name != name or name in ("", "..", MANIFEST) or not name.isprintable():
            raise BundleError(f"{place}: files: {name!r} is not a plain file name; export the bundle again")
    return manifest


def examples_of(manifest: Manifest) -> tuple[str, ...]:
    """The file names of the card's example pictures."""
    return manifest.card.examples if manifest.card else ()


def check_files(path: Path, manifest: Manifest) -> Bundle:
    """Check the files of the bundle in directory `path` against its manifest; raises BundleError."""
    for name, expected in manifest.files.items():
        if not (path / name).is_file():
            raise BundleError(f"{path / name}: the manifest lists it but it is missing; copy the whole bundle again")
        actual = sha256_of(path / name)
        if actual != expected:
            raise BundleError(
                f"{path / name}: SHA-256 is {actual[:12]}…, but the manifest has {expected[:12]}…; "
                "the file was changed or cut short: copy the whole bundle again"
            )
    bundle = Bundle(path, manifest)
    for example in bundle.example_paths:
        if (size := example.stat().st_size) > MAX_EXAMPLE_BYTES:
            limit = f"{MAX_EXAMPLE_BYTES / 1e6:g} MB"
            raise BundleError(f"{example}: an example picture of {size / 1e6:.1f} MB; make it smaller than {limit}")
    return bundle


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Write a whole bundle to `path`, or nothing; `manifest.files` is computed from `files` (name -> content).

    The directory is written under a temporary name beside `path` and renamed; it replaces an existing bundle. Raises
    BundleError if `path` is something else.
    """
    check_replaceable(path)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = manifest.model_copy(update={"files": hashes})
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        staging.chmod(0o755)
        for name, content in files.items():
            (staging / name).write_bytes(content)
        (staging / MANIFEST).write_bytes(_text(manifest))
        read_bundle(staging)
        if path.exists():
            retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
            path.rename(retired / path.name)
            staging.rename(path)
            shutil.rmtree(retired)
        else:
            staging.rename(path)
    finally:
        if staging.exists():
            shutil.rmtree(staging)
    return read_bundle(path)


def check_replaceable(path: Path) -> None:
    """Raise BundleError if there is something at `path` that is neither a bundle nor an empty directory."""
    is_other = path.exists() and not (path / MANIFEST).is_file()
    if is_other and not (path.is_dir() and not any(path.iterdir())):
        raise BundleError(
            f"{path}: it exists and is no bundle, so it is not replaced; name another directory with --out"
        )


def add_engine(path: Path, name: str, engine: EngineFile, content: bytes) -> Bundle:
    """Put an engine into the bundle at `path` as the file `name`; it replaces an existing file of that name.

    Each file is replaced as a whole. If the function is stopped at any moment, the bundle is still valid: with the old
    engine, with none, or with the new one.
    """
    engines = read_bundle(path).manifest.engines
    others = {known: file for known, file in engines.items() if known != name}
    return _add_file(path, name, content, {"engines": others}, {"engines": others | {name: engine}})


def add_int8(path: Path, form: Int8Form, content: bytes) -> Bundle:
    """Put the model's form in int8 into the bundle at `path`; it replaces an existing one, as `add_engine` does."""
    return _add_file(path, form.file, content, {"int8": None}, {"int8": form})


def _add_file(path: Path, name: str, content: bytes, before: dict[str, Any], after: dict[str, Any]) -> Bundle:
    """Write the file `name` of the bundle; the manifest is updated by `before`, without the file, and by `after`."""
    manifest = read_bundle(path).manifest
    files = {known: sha256 for known, sha256 in manifest.files.items() if known != name}
    if name in manifest.files:
        _replace(path / MANIFEST, _text(manifest.model_copy(update={"files": files, **before})))
    _replace(path / name, content)
    files[name] = hashlib.sha256(content).hexdigest()
    _replace(path / MANIFEST, _text(manifest.model_copy(update={"files": files, **after})))
    return read_bundle(path)


def _text(manifest: Manifest) -> bytes:
    """A bundle without a form in int8 or a card does not mention it, so that servers that know none read it."""
    return (json.dumps(manifest.model_dump(mode="json", exclude_none=True), indent=2) + "\n").encode()


def _replace(path: Path, content: bytes) -> None:
    staged = path.with_name(f".{path.name}.new")
    staged.write_bytes(content)
    staged.replace(path)
