"""The card that the user gives a model: a JSON file, and the example pictures that it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from export.errors import ExportError
from service.bundle import GOLDEN, HALF_MODEL, INT8_MODEL, MANIFEST, MODEL, Manifest
from service.card import MAX_EXAMPLE_BYTES, Card
from service.detection.image_header import read_header
from service.errors import ImageError, validation_problems

FORM = '{"description": "…", "trained_on": "…", "licence": "…", "link": "https://…", "examples": ["a.jpg"]}'
TAKEN = frozenset([GOLDEN, HALF_MODEL, INT8_MODEL, MANIFEST, MODEL])


@dataclass(frozen=True)
class GivenCard:
    """A card whose examples are file names of a bundle, and the content of these files."""

    card: Card
    files: Mapping[str, bytes]

    def put_in(self, manifest: Manifest) -> Manifest:
        """The manifest with this card."""
        return manifest.model_copy(update={"card": self.card})


def read_card(path: Path) -> GivenCard:
    """Read the card in the file `path`; its examples are paths from the file's folder. Raises ExportError, OSError."""
    try:
        card = Card.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems = validation_problems(error.errors(), empty_location="the file")
        raise ExportError(f"{path}: {problems}; a card has the form {FORM}") from error
    files: dict[str, bytes] = {}
    for example in card.examples:
        name = Path(example).name
        if name in files or name in TAKEN:
            raise ExportError(f"{path}: the bundle would have two files {name}; rename the example {example}")
        files[name] = _picture(path.parent / example)
    return GivenCard(card.model_copy(update={"examples": tuple(files)}), files)


def _picture(path: Path) -> bytes:
    content = path.read_bytes()
    if len(content) > MAX_EXAMPLE_BYTES:
        limit = f"{MAX_EXAMPLE_BYTES / 1e6:g} MB"
        raise ExportError(f"{path}: an example picture of {len(content) / 1e6:.1f} MB; make it smaller than {limit}")
    try:
        read_header(content)
    except ImageError as error:
        raise ExportError(f"{path}: {error}") from error
    return content
