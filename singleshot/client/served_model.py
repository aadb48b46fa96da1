"""What the server serves."""

from dataclasses import dataclass

from singleshot.client.answer import Answer


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One version of a model: what `model`, `version` and `classes` of a call may be, and the engine that runs it."""

    name: str
    version: str
    aliases: tuple[str, ...]
    is_default: bool
    classes: tuple[str, ...]
    engine: str


def models_of(answer: Answer) -> list[ServedModel]:
    """The models in a good answer of /models, the default first; raises DetectError if it has another form."""
    content = answer.json()
    try:
        return [
            ServedModel(
                name=str(model["name"]),
                version=str(model["version"]),
                aliases=tuple(map(str, model["aliases"])),
                is_default=bool(model["is_default"]),
                classes=tuple(map(str, model["classes"])),
                engine=str(model["engine"]),
            )
            for model in content["models"]
        ]
    except (KeyError, TypeError) as error:
        raise answer.unreadable("the answer lists no models") from error
