"""Changes settings of a preset: the command line option `--set NAME=VALUE`."""

import ast
import dataclasses
from typing import Any, Literal, get_args, get_origin, get_type_hints

from models.presets.preset import Preset, PresetError

LENGTH = "optim.epochs"


def override(preset: Preset, settings: list[str]) -> Preset:
    """Apply `path=value` settings such as `optim.lr=0.002` or `model.box_scales=(0.8,1,1.26)`; the last one wins.

    `optim.epochs` also scales the schedule. It is applied first, so that the other settings change the scaled schedule
    in any order.
    """
    parts = [(setting, *setting.partition("=")) for setting in settings]
    for setting, _, separator, _ in parts:
        if not separator:
            raise PresetError(f"--set {setting}: expected NAME=VALUE, for example optim.lr=0.002")
    changed = preset
    for setting, path, _, text in sorted(parts, key=lambda part: part[1].strip() != LENGTH):
        if path.strip() == LENGTH:
            epochs = _replace(preset, LENGTH.split("."), text.strip(), setting).optim.epochs
            changed = dataclasses.replace(preset, optim=preset.optim.with_epochs(epochs))
        else:
            changed = _replace(changed, path.strip().split("."), text.strip(), setting)
    return changed


def _replace(config: Any, path: list[str], text: str, setting: str) -> Any:
    names = [field.name for field in dataclasses.fields(config)]
    if path[0] not in names:
        raise PresetError(f"--set {setting}: no setting {path[0]!r}; there are: {', '.join(names)}")
    old = getattr(config, path[0])
    if len(path) > 1:
        if not dataclasses.is_dataclass(old):
            raise PresetError(f"--set {setting}: {path[0]} is a single value, it has no setting {path[1]!r}")
        return dataclasses.replace(config, **{path[0]: _replace(old, path[1:], text, setting)})
    if dataclasses.is_dataclass(old):
        inner = ", ".join(f"{path[0]}.{field.name}" for field in dataclasses.fields(old))
        raise PresetError(f"--set {setting}: {path[0]} is a group; set one of: {inner}")
    try:
        return dataclasses.replace(config, **{path[0]: _parse(text, get_type_hints(type(config))[path[0]])})
    except ValueError as error:
        raise PresetError(f"--set {setting}: {error}; the current value is {old!r}") from error


def _parse(text: str, kind: Any) -> Any:
    """The text as a value of type `kind`; a ValueError names the expected type or values."""
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"{text!r} is not one of: {', '.join(get_args(kind))}")
        return text
    if kind is str:
        return text
    try:
        return _fit(ast.literal_eval(text.capitalize() if kind is bool else text), kind)
    except (SyntaxError, TypeError, ValueError) as error:
        name = kind.__name__ if get_origin(kind) is None else str(kind)
        raise ValueError(f"{text!r} is not of type {name}") from error


def _fit(value: Any, kind: Any) -> Any:
    """`value` as type `kind`, or a TypeError: an integer becomes a float if needed; tuples are checked by element."""
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if not isinstance(value, (tuple, list)):
            raise TypeError
        kinds = kinds[:1] * len(value) if kinds[-1] is ... else kinds
        return tuple(_fit(element, own) for element, own in zip(value, kinds, strict=True))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError
    return value
