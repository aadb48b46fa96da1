"""The rows of FSAF's Table 1: anchor-based, anchor-free and both, by heuristic and by online level selection."""

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.checkpoint import load_model
from models.data.annotations import DataSet
from models.evaluate import TorchEngine, evaluate
from models.presets import Preset, PresetError
from models.retinanet import RetinaNetConfig
from models.train import train

ROWS: dict[str, dict[str, Any]] = {  # FSAF, Table 1, in its order
    "anchor-based": {"branches": "anchor-based"},
    "anchor-free, heuristic": {"branches": "anchor-free", "level_selection": "heuristic"},
    "anchor-free, online": {"branches": "anchor-free", "level_selection": "online"},
    "joint, heuristic": {"branches": "joint", "level_selection": "heuristic"},
    "joint, online": {"branches": "joint", "level_selection": "online"},
}


@dataclass(frozen=True)
class Row:
    """One row of the table: the mean AP at IoU .5, .6, .7 and .8 of each seed's model."""

    name: str
    num_parameters: int
    by_seed: list[list[float]]

    def __str__(self) -> str:
        by_iou = list(zip(*self.by_seed, strict=True))
        first = by_iou[0]
        spread = f" ± {100 * statistics.stdev(first):.2f}" if len(first) > 1 else ""
        means = "  ".join(f"{100 * statistics.mean(values):6.2f}" for values in by_iou)
        return f"{self.name:24} {self.num_parameters:11,}  {means}{spread}"


def ablate(
    preset: Preset, train_set: DataSet, test_set: DataSet, out: Path, *, num_seeds: int, num_workers: int, device: str
) -> str:
    """Train and measure each row with seeds 0, 1, … into folders of `out` -> the table; what is finished is not repeated."""
    rows = []
    for name, changes in ROWS.items():
        row = Row(name, 0, [])
        for seed in range(num_seeds):
            folder = out / name.replace(", ", "-") / str(seed)
            variant = vary(preset, changes, seed)
            train(
                variant, train_set, None, folder, resume=(folder / "last.pt").exists(), num_workers=num_workers, device=device
            )
            model = load_model(folder / "best.pt").model.to(device)
            found = evaluate(TorchEngine(model), test_set, variant.model.input_spec, variant.nms_defaults)
            row = Row(name, sum(p.numel() for p in model.parameters()), [*row.by_seed, found.by_iou()])
        rows.append(row)
        print(row)
    heading = f"{'branches, selection':24} {'parameters':>11}  {'AP50':>6}  {'AP60':>6}  {'AP70':>6}  {'AP80':>6}"
    table = "\n".join([heading, *map(str, rows)])
    (out / "table.txt").write_text(f"{table}\n")
    return table


def vary(preset: Preset, changes: dict[str, Any], seed: int) -> Preset:
    """The preset with one row's branches and selection."""
    if not isinstance(preset.model, RetinaNetConfig):
        raise PresetError(f"{preset.name} has no branches to leave out; take a retinanet-fsaf preset")
    return replace(preset, model=replace(preset.model, **changes), seed=seed)
