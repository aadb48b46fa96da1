"""Continues an interrupted run: what must be as it was, and what may be changed."""

from pathlib import Path
from typing import Any

from models.distributed import broadcast, is_first
from models.presets.preset import Preset, differences
from models.training.checkpoint import preset_of, read_checkpoint
from models.training.origin import data_difference
from models.training.run_state import Run, TrainingError

# Besides the model's settings: the saved state would not fit another value, or another value would change nothing.
FIXED = ("name", "optim.optimizer", "seed", "init", "init_from", "best_by")


def saved_preset(path: Path, name: str) -> Preset:
    """The preset of the interrupted run in `path`, which must have this name."""
    preset: Preset = broadcast(preset_of(read_checkpoint(path), path) if is_first() else None)
    if preset.name != name:
        raise TrainingError(f"{path}: that run is of {preset.name}, not of {name}; resume it as {preset.name}")
    return preset


def restore(run: Run, content: dict[str, Any], path: Path, preset: Preset, origin: dict[str, Any]) -> list[str]:
    """Load an interrupted run into a new one -> what differs from the interrupted run, in words.

    `content` is the content of the checkpoint at `path`; `origin` says what the run is now made with.
    """
    changed = differences(preset_of(content, path), preset)
    for name, (was, now) in changed.items():
        if name in FIXED or name.startswith("model.") or (name == "optim.ema" and not (was and now)):
            raise TrainingError(
                f"{path}: {name} of that run is {was}, not {now}; resume it without this change, "
                "or start another run in another --out"
            )
    notes = [f"{name} was {was} and is {now} from here on" for name, (was, now) in changed.items()]
    if content["classes"] != origin["classes"]:
        raise TrainingError(
            f"{path}: the classes of that run are {', '.join(content['classes'])}; "
            f"the classes of these data are {', '.join(origin['classes'])}; resume it with its own data"
        )
    for use, now in origin["data"].items() if "data" in content else ():
        difference = data_difference(content["data"][use], now)
        if difference:
            raise TrainingError(
                f"{path}: the {use} data of that run differ: {difference}; "
                "resume it with its own data, or start another run in another --out"
            )
    if "data" not in content:
        notes.append("an older version wrote last.pt, without its data: they are not compared with these")
    if content.get("precision", origin["precision"]) != origin["precision"]:
        notes.append(f"the precision was {content['precision']} and is {origin['precision']} from here on")
    load(run, content)
    return notes


def load(run: Run, content: dict[str, Any]) -> None:
    """Load the state of an interrupted run. The hyperparameters of the optimizer stay those of the new run."""
    run.model.load_state_dict(content["model"])
    own = [{name: value for name, value in group.items() if name != "params"} for group in run.optimizer.param_groups]
    run.optimizer.load_state_dict(content["optimizer"])
    for group, hyperparameters in zip(run.optimizer.param_groups, own, strict=True):
        group.update(hyperparameters)
    if run.average:
        run.average.restore(content["averaged"], content["num_updates"])
    if run.scaler.is_enabled() and content.get("scaler"):  # empty if that run did not compute in fp16
        run.scaler.load_state_dict(content["scaler"])
    run.epoch, run.best_ap = content["epoch"], content["best_ap"]
