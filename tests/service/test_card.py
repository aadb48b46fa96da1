"""The card in a bundle's manifest."""

import json
from pathlib import Path

import pytest

from service.bundle import MANIFEST, BundleError, read_bundle
from service.card import MAX_EXAMPLE_BYTES, Card
from tests.tiny_bundle import EXAMPLE, write_tiny_bundle

CARD = Card(description="Finds red and green blocks.", examples=(EXAMPLE,), credit="drawn for the tests")


def test_a_manifest_without_a_card_does_not_mention_it(tmp_path: Path) -> None:
    """Older servers refuse a manifest with a part that they do not know."""
    bundle = write_tiny_bundle(tmp_path / "b")
    assert "card" not in (bundle.path / MANIFEST).read_text()
    assert bundle.example_paths == ()


def test_a_card_is_read_with_its_examples(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", card=CARD)
    assert bundle.manifest.card == CARD
    assert bundle.example_paths == (bundle.path / EXAMPLE,)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"description": " "}, "card.description: String should have at least 1 character"),
        ({"link": "http://example.org"}, "card.link: String should match pattern"),
        ({"link": "https://me:secret@example.org"}, "card.link: String should match pattern"),
        ({"link": "javascript:alert(1)"}, "card.link: String should match pattern"),
        ({"examples": ["model.onnx"]}, "the example 'model.onnx' has none of the endings"),
        ({"examples": ["{x}.txt"]}, "the example '{x}.txt' has none of the endings"),
        ({"examples": [EXAMPLE, EXAMPLE]}, "an example is there twice"),
        ({"examples": [f"{number}.jpg" for number in range(7)]}, "card.examples: Tuple should have at most 6 items"),
        ({"examples": ["other.png"]}, "files does not list other.png"),
        ({"author": "me"}, "card.author: Extra inputs are not permitted"),
    ],
)
def test_a_card_of_another_form_is_refused(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", card=CARD)
    manifest = json.loads((bundle.path / MANIFEST).read_text())
    manifest["card"] |= changes
    (bundle.path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError) as error:
        read_bundle(bundle.path)
    assert problem in str(error.value)


def test_a_changed_example_is_refused(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", card=CARD)
    (bundle.path / EXAMPLE).write_bytes(b"other")
    with pytest.raises(BundleError, match=r"example\.png: SHA-256 is .*copy the whole bundle again"):
        read_bundle(bundle.path)


def test_an_example_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"an example picture of 1\.0 MB; make it smaller than 1 MB"):
        write_tiny_bundle(tmp_path / "b", card=CARD, example=bytes(MAX_EXAMPLE_BYTES + 1))
