"""Presets: named, complete recipes. A preset is a Python value; an experiment is a diff (`--set optim.lr=0.002`)."""

import ast
import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from models.passd import PASSD, PASSDConfig


class PresetError(Exception):
    """A preset or a setting that does not exist; the message lists those that do."""


@dataclass(frozen=True)
class AugmentConfig:
    """SSD's augmentation (Liu et al. 2016, §2.2 and §3.6), as probabilities and ranges."""

    photometric: bool = True
    expand_probability: float = 0.6  # zoom-out, as in RFBNet
    expand_max: float = 4.0
    crop_probability: float = 6 / 7  # zoom-in: SSD draws "the whole image" once in seven
    crop_min: float = 0.3  # smallest side of a crop over the image's
    flip: float = 0.5
    vertical_flip: float = 0.0  # for pictures without an up and a down, such as microscopy


@dataclass(frozen=True)
class OptimConfig:
    """SGD with warm-up and steps (PASSD §6.1, §7.1), or AdamW and a cosine for short runs from scratch."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 4e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 32
    epochs: int = 250
    warmup_epochs: float = 5.0
    warmup_lr: float = 1e-6
    schedule: Literal["step", "cosine"] = "step"
    steps: tuple[int, ...] = (150, 200)  # epochs at which the rate is divided by 10
    clip_grad_norm: float = 0.0  # 0 turns it off
    ema: float = 0.0  # decay of an average of the weights, which is then what is evaluated and exported; 0 turns it off

    def __post_init__(self) -> None:
        for name in ("lr", "batch_size", "epochs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")


@dataclass(frozen=True)
class Preset:
    """A model, and how it is trained."""

    name: str
    model: PASSDConfig
    optim: OptimConfig = OptimConfig()
    augment: AugmentConfig = AugmentConfig()
    evaluate_every: int = 5  # epochs
    seed: int = 0

    def build(self, classes: tuple[str, ...]) -> PASSD:
        """The model, freshly initialised."""
        try:
            return PASSD(self.model, classes)
        except ValueError as error:
            raise PresetError(f"{self.name}: {error}") from error

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


PASSD_320_MOBILENET = Preset("passd-320-mobilenet", PASSDConfig("mobilenet", 320))

# From scratch, in an hour on two CPU cores, on a few hundred micrographs: AdamW and a cosine converge in a tenth of the
# paper's epochs; the smallest default box is 24 px, as platelets are; cells keep roughly their size and have no up or down.
PASSD_320_MOBILENET_BCCD = Preset(
    "passd-320-mobilenet-bccd",
    PASSDConfig("mobilenet", 320, box_size=3.0),
    OptimConfig(
        optimizer="adamw",
        lr=2e-3,
        weight_decay=0.05,
        batch_size=8,
        epochs=50,
        warmup_epochs=0.5,
        schedule="cosine",
        clip_grad_norm=10.0,
        ema=0.99,
    ),
    AugmentConfig(expand_probability=0.3, expand_max=1.5, crop_min=0.5, vertical_flip=0.5),
)

PRESETS = {preset.name: preset for preset in (PASSD_320_MOBILENET, PASSD_320_MOBILENET_BCCD)}


def find_preset(name: str) -> Preset:
    """The preset called `name`."""
    if name not in PRESETS:
        raise PresetError(f"no preset {name!r}; there are: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def preset_from_json(text: str) -> Preset:
    """The inverse of `Preset.to_json`."""
    fields = json.loads(text)
    return Preset(
        **fields
        | {
            "model": PASSDConfig(**_tuples(fields["model"])),
            "optim": OptimConfig(**_tuples(fields["optim"])),
            "augment": AugmentConfig(**fields["augment"]),
        }
    )


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def override(preset: Preset, settings: list[str]) -> Preset:
    """Apply `path=value` settings such as `optim.lr=0.002` or `model.box_scales=(0.8,1,1.26)`."""
    for setting in settings:
        path, separator, text = setting.partition("=")
        if not separator:
            raise PresetError(f"--set {setting}: expected NAME=VALUE, for example optim.lr=0.002")
        preset = _replace(preset, path.strip().split("."), text.strip(), setting)
    return preset


def _replace(config: Any, path: list[str], text: str, setting: str) -> Any:
    names = [field.name for field in dataclasses.fields(config)]
    if path[0] not in names:
        raise PresetError(f"--set {setting}: no setting {path[0]!r}; there are: {', '.join(names)}")
    old = getattr(config, path[0])
    if len(path) > 1:
        if not dataclasses.is_dataclass(old):
            raise PresetError(f"--set {setting}: {path[0]} is a value and has no {path[1]!r}")
        return dataclasses.replace(config, **{path[0]: _replace(old, path[1:], text, setting)})
    if dataclasses.is_dataclass(old):
        inner = ", ".join(f"{path[0]}.{field.name}" for field in dataclasses.fields(old))
        raise PresetError(f"--set {setting}: {path[0]} is a group; set one of: {inner}")
    try:
        return dataclasses.replace(config, **{path[0]: _parse(text, get_type_hints(type(config))[path[0]])})
    except ValueError as error:
        raise PresetError(f"--set {setting}: {error}; it is now {old!r}") from error


def _parse(text: str, kind: Any) -> Any:
    """The value of type `kind` that a text stands for; ValueError says what was expected."""
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"{text!r} is none of: {', '.join(get_args(kind))}")
        return text
    if kind is str:
        return text
    try:
        return _fit(ast.literal_eval(text.capitalize() if kind is bool else text), kind)
    except (SyntaxError, TypeError, ValueError) as error:
        name = kind.__name__ if get_origin(kind) is None else str(kind)
        raise ValueError(f"{text!r} is no {name}") from error


def _fit(value: Any, kind: Any) -> Any:
    """`value` as a `kind`: an integer is also a float, and the elements of a tuple are fitted one by one."""
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
