"""The card of a model in its bundle's manifest: what it detects, what it was trained on, and under which licence."""

from pathlib import PurePath
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

MAX_EXAMPLES = 6
MAX_EXAMPLE_BYTES = 1_000_000
EXAMPLE_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Link = Annotated[str, StringConstraints(pattern=r"^https://[^\s/?#@]+([/?#]\S*)?$", max_length=500)]


class Card(BaseModel):
    """What people should know about a model before they use it; the web page shows it.

    `examples` are image files in the bundle, and `credit` names their source.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: Words
    trained_on: Words | None = None
    licence: Words | None = None
    link: Link | None = None
    examples: tuple[str, ...] = Field(default=(), max_length=MAX_EXAMPLES)
    credit: Words | None = None

    @model_validator(mode="after")
    def _check_examples(self) -> Self:
        for name in self.examples:
            if example_type(name) is None:
                known = ", ".join(EXAMPLE_TYPES)
                message = f"the example {name!r} has none of the endings {known}; give a picture of such a kind"
                raise PydanticCustomError("example", message)
            if self.examples.count(name) > 1:
                raise PydanticCustomError("example", "an example is there twice; leave one out")
        return self


def example_type(name: str) -> str | None:
    """The media type of an example by the ending of its file name; None if it cannot be an example."""
    return EXAMPLE_TYPES.get(PurePath(name).suffix.lower())
