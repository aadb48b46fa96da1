"""The manifest of a bundle that is being made."""

from pydantic import ValidationError

from export.errors import ExportError
from service.bundle import Golden, InputSpec, Manifest, NmsDefaults, Source
from service.errors import validation_problems


def draft_manifest(
    *,
    name: str,
    version: str,
    classes: tuple[str, ...],
    spec: InputSpec,
    max_candidates: int,
    nms: NmsDefaults,
    source: Source,
) -> Manifest:
    """A manifest without files and golden detections; raises ExportError if a part of it is not allowed."""
    try:
        return Manifest(
            name=name,
            version=version,
            classes=classes,
            input=spec,
            max_candidates=max_candidates,
            nms=nms,
            files={},
            source=source,
            golden=Golden(detections=()),
        )
    except ValidationError as error:
        problems = validation_problems(error.errors(), empty_location="the manifest")
        raise ExportError(f"the bundle would have a bad manifest: {problems}; see --name and --version") from error
