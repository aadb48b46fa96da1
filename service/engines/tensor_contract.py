"""The input and outputs that every model and engine of a bundle has; service/bundle.py says what they mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.bundle import Manifest
from service.engines.protocol import EngineError

IMAGES = "images"
OUTPUTS = ("boxes", "scores", "labels")


@dataclass(frozen=True)
class TensorSpec:
    """A tensor of the contract: its element type in NumPy's words, and its shape without the batch axis, the first."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join(['B', *map(str, self.shape)])}]"


@dataclass(frozen=True)
class OfferedTensor:
    """A tensor of a model: its element type in NumPy's words, and its whole shape.

    A length of None is not fixed, and a shape of None is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name} {self.dtype}"
        lengths = ("?" if length is None else str(length) for length in self.shape)
        return f"{self.name} {self.dtype} [{', '.join(lengths)}]"


def tensors_of(manifest: Manifest) -> tuple[TensorSpec, ...]:
    """The input and the outputs boxes, scores and labels, in this order."""
    spec, count = manifest.input, manifest.max_candidates
    return (
        TensorSpec(IMAGES, "uint8", (spec.height, spec.width, 3)),
        TensorSpec("boxes", "float32", (count, 4)),
        TensorSpec("scores", "float32", (count,)),
        TensorSpec("labels", "int32", (count,)),
    )


def check_tensors(
    path: Path,
    manifest: Manifest,
    inputs: Sequence[OfferedTensor],
    outputs: Sequence[OfferedTensor],
    *,
    remedy: str,
    is_exact: bool = False,
) -> None:
    """Raise EngineError, with `remedy`, unless the model in the file `path` has the tensors of `manifest`.

    Further outputs and lengths that the model does not fix are allowed, unless `is_exact`: TensorRT needs a buffer of
    fixed size for each tensor. The length of the batch axis must not be fixed.
    """
    wanted_input, *wanted_outputs = tensors_of(manifest)
    by_name = {tensor.name: tensor for tensor in outputs}
    fits = (
        len(inputs) == 1
        and _fits(wanted_input, inputs[0], is_exact)
        and all(spec.name in by_name and _fits(spec, by_name[spec.name], is_exact) for spec in wanted_outputs)
        and not (is_exact and len(outputs) > len(wanted_outputs))
    )
    if not fits:
        raise EngineError(
            f"{path}: it maps {_listed(inputs)} to {_listed(outputs)}; "
            f"a bundle's model maps {wanted_input} to {_listed(wanted_outputs)}; {remedy}"
        )


def _fits(wanted: TensorSpec, offered: OfferedTensor, is_exact: bool) -> bool:
    if (offered.name, offered.dtype) != (wanted.name, wanted.dtype):
        return False
    if is_exact:
        return offered.shape == (None, *wanted.shape)
    return offered.shape is None or (
        len(offered.shape) == 1 + len(wanted.shape)
        and offered.shape[0] is None
        and all(length in (None, fixed) for length, fixed in zip(offered.shape[1:], wanted.shape, strict=True))
    )


def _listed(tensors: Iterable[TensorSpec | OfferedTensor]) -> str:
    return ", ".join(map(str, tensors)) or "nothing"
