"""The query of a detect request: read, checked, and turned into a model's options."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_origin

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from service.api.problems import RequestError
from service.api.schemas import DetectQuery
from service.detection.postprocess import Options
from service.errors import validation_problems
from service.repository.served_model import ServedModel

LIST_PARAMETERS = frozenset(
    name for name, field in DetectQuery.model_fields.items() if get_origin(field.annotation) is list
)
DEFAULT_QUERY = DetectQuery.model_validate({})


def read_query(parameters: QueryParams) -> DetectQuery:
    """The query of /detect; raises RequestError 422. FastAPI's own parsing takes as long as decoding a small image."""
    if not parameters:
        return DEFAULT_QUERY
    values = {name: parameters.getlist(name) if name in LIST_PARAMETERS else parameters[name] for name in parameters}
    try:
        return DetectQuery.model_validate(values)
    except ValidationError as error:
        raise RequestError(422, validation_problems(error.errors())) from error


def options_of(query: DetectQuery, model: ServedModel) -> Options:
    """The model's default options with the query's changes; raises RequestError 422 if the model has no such class."""
    options = model.options
    if query is DEFAULT_QUERY:
        return options
    changes = query.model_dump(
        include={"score_threshold", "max_detections", "sigma", "iou_threshold"}, exclude_none=True
    )
    changes["is_limit_per_view"] = query.max_detections is None
    if query.nms == "soft":
        changes["method"] = "gaussian" if options.method == "hard" else options.method
    elif query.nms is not None:
        changes["method"] = None if query.nms == "none" else query.nms
    if query.classes:
        changes["labels"] = frozenset(label_of(name, model) for name in listed(query.classes, model.classes)) or None
    if query.class_thresholds:
        pairs = (item.rpartition(":") for item in listed(query.class_thresholds, model.classes))
        changes["label_thresholds"] = {label_of(name, model): threshold_of(name, value) for name, _, value in pairs}
    return replace(options, **changes)


def label_of(name: str, model: ServedModel) -> int:
    """The label of a class by its name; raises RequestError 422."""
    if name not in model.classes:
        raise RequestError(422, f"{model.name} knows no class {name!r}; it knows {', '.join(model.classes)}")
    return model.classes.index(name)


def listed(items: Sequence[str], classes: Sequence[str]) -> list[str]:
    """The single values of a repeated parameter, each a list with commas, or one class whose name has commas."""
    values: list[str] = []
    for item in items:
        is_whole = item in classes or item.rpartition(":")[0] in classes
        values += [item] if is_whole else item.split(",")
    return [value for value in values if value]


def threshold_of(name: str, value: str) -> float:
    """The score threshold of class `name` in the query; raises RequestError 422."""
    try:
        threshold = float(value)
    except ValueError:
        threshold = -1.0
    if not 0 <= threshold <= 1:
        raise RequestError(422, f"class_thresholds: {name}:{value} should be a class, a colon and a number from 0 to 1")
    return threshold
