"""A model is accepted if its input and outputs are those of the bundle's manifest, and refused with both if not."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.bundle import Bundle
from service.engines.protocol import EngineError
from service.engines.tensor_contract import IMAGES, OUTPUTS, OfferedTensor, check_tensors, tensors_of
from tests.tiny_bundle import NUM_CANDIDATES, SIZE

IMAGES_64 = OfferedTensor("images", "uint8", (None, SIZE, SIZE, 3))
BOXES = OfferedTensor("boxes", "float32", (None, NUM_CANDIDATES, 4))
SCORES = OfferedTensor("scores", "float32", (None, NUM_CANDIDATES))
LABELS = OfferedTensor("labels", "int32", (None, NUM_CANDIDATES))
MASKS = OfferedTensor("masks", "float32", (None, NUM_CANDIDATES, 28, 28))
FILE = Path("bundles/mine/model.onnx")


def check(bundle: Bundle, inputs: list[OfferedTensor], outputs: list[OfferedTensor], *, is_exact: bool = False) -> None:
    check_tensors(FILE, bundle.manifest, inputs, outputs, remedy="export the bundle again", is_exact=is_exact)


def test_the_contract_names_the_input_and_the_outputs(tiny_bundle: Bundle) -> None:
    assert tuple(tensor.name for tensor in tensors_of(tiny_bundle.manifest)) == (IMAGES, *OUTPUTS)


@pytest.mark.parametrize("is_exact", [False, True])
def test_the_tensors_of_the_manifest_are_accepted_in_any_order(tiny_bundle: Bundle, is_exact: bool) -> None:
    check(tiny_bundle, [IMAGES_64], [LABELS, BOXES, SCORES], is_exact=is_exact)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([IMAGES_64], [BOXES, SCORES, LABELS, MASKS]),
        ([IMAGES_64], [BOXES, replace(SCORES, shape=(None, None)), LABELS]),
        ([IMAGES_64], [replace(BOXES, shape=None), SCORES, LABELS]),
        ([replace(IMAGES_64, shape=(None, None, None, 3))], [BOXES, SCORES, LABELS]),
    ],
    ids=["further output", "length not fixed", "unknown shape", "size of the images not fixed"],
)
def test_further_outputs_and_lengths_that_are_not_fixed_are_refused_only_if_exact(
    tiny_bundle: Bundle, inputs: list[OfferedTensor], outputs: list[OfferedTensor]
) -> None:
    check(tiny_bundle, inputs, outputs)
    with pytest.raises(EngineError):
        check(tiny_bundle, inputs, outputs, is_exact=True)


@pytest.mark.parametrize("is_exact", [False, True])
@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([], [BOXES, SCORES, LABELS]),
        ([IMAGES_64, MASKS], [BOXES, SCORES, LABELS]),
        ([replace(IMAGES_64, name="x")], [BOXES, SCORES, LABELS]),
        ([replace(IMAGES_64, dtype="float32")], [BOXES, SCORES, LABELS]),
        ([replace(IMAGES_64, shape=(None, SIZE, 2 * SIZE, 3))], [BOXES, SCORES, LABELS]),
        ([replace(IMAGES_64, shape=(None, 3, SIZE, SIZE))], [BOXES, SCORES, LABELS]),
        ([replace(IMAGES_64, shape=(1, SIZE, SIZE, 3))], [BOXES, SCORES, LABELS]),
        ([IMAGES_64], []),
        ([IMAGES_64], [BOXES, SCORES]),
        ([IMAGES_64], [BOXES, SCORES, replace(LABELS, name="classes")]),
        ([IMAGES_64], [BOXES, SCORES, replace(LABELS, dtype="int64")]),
        ([IMAGES_64], [replace(BOXES, shape=(None, NUM_CANDIDATES + 1, 4)), SCORES, LABELS]),
        ([IMAGES_64], [BOXES, replace(SCORES, shape=(None, NUM_CANDIDATES, 1)), LABELS]),
        ([IMAGES_64], [BOXES, replace(SCORES, shape=(NUM_CANDIDATES,)), LABELS]),
    ],
)
def test_other_tensors_are_refused(
    tiny_bundle: Bundle, inputs: list[OfferedTensor], outputs: list[OfferedTensor], is_exact: bool
) -> None:
    with pytest.raises(EngineError):
        check(tiny_bundle, inputs, outputs, is_exact=is_exact)


def test_the_error_names_the_file_both_sides_and_the_remedy(tiny_bundle: Bundle) -> None:
    with pytest.raises(EngineError) as refused:
        check(tiny_bundle, [], [replace(BOXES, shape=None), SCORES])
    assert str(refused.value) == (
        f"{FILE}: it maps nothing to boxes float32, scores float32 [?, 20]; a bundle's model maps images uint8 "
        "[B, 64, 64, 3] to boxes float32 [B, 20, 4], scores float32 [B, 20], labels int32 [B, 20]; "
        "export the bundle again"
    )
