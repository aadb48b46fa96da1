"""The papers' ablations: trains and evaluates the model of each row with the same training budget."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from models.data.data_set import DataSet
from models.evaluation.evaluate import evaluate
from models.evaluation.report import IOU_THRESHOLDS
from models.evaluation.torch_engine import TorchEngine
from models.papers.rows import FSAF_ROWS, PASSD_ROWS, Rows
from models.passd.passd import PASSDConfig
from models.presets.describe import build_on_meta, num_parameters
from models.presets.overrides import override
from models.presets.preset import Preset, PresetError
from models.replacing import replacing
from models.training.checkpoint import load_model, preset_of, read_checkpoint
from models.training.origin import Description, data_difference, describe_data, preset_difference
from models.training.run_state import TrainingError
from models.training.train import train

MEASURES = ("AP", "S", "M", "L", *(f"AP.{round(10 * threshold)}" for threshold in IOU_THRESHOLDS[1:]))

Result = dict[str, float]
FORMAT = 1  # of result.json


def ablate(
    preset: Preset,
    train_set: DataSet,
    test_set: DataSet,
    out: Path,
    *,
    names: Sequence[str] | None,
    num_seeds: int,
    num_workers: int,
    device: str,
) -> str:
    """Train and evaluate all rows or those in `names`, each with seeds 0, 1, … -> the table in Markdown.

    Each run has a folder in `out`. table.md grows row by row. A finished run of the same preset and data is not
    repeated, so several processes may divide the rows of one folder among them.
    """
    results: dict[str, list[Result]] = {}
    text = ""
    for name, changes in rows_of(preset, names).items():
        results[name] = []
        for seed in range(num_seeds):
            own = variant(preset, changes, seed)
            results[name].append(run_row(own, train_set, test_set, out / name / str(seed), num_workers, device))
        text = table(preset, results, len(train_set.classes))
        with replacing(out / "table.md") as file:
            file.write(text)
    return text.rstrip()


def rows_of(preset: Preset, names: Sequence[str] | None = None) -> Rows:
    """The rows of the table in the paper of a preset's model: all of them or those in `names`."""
    rows = PASSD_ROWS if isinstance(preset.model, PASSDConfig) else FSAF_ROWS
    for name in names or ():
        if name not in rows:
            raise PresetError(f"--rows: {preset.name} has no row {name!r}; there are: {', '.join(rows)}")
    return {name: rows[name] for name in names or rows}


def variant(preset: Preset, changes: Sequence[str], seed: int) -> Preset:
    """The preset with the changes of a row and a seed."""
    return dataclasses.replace(override(preset, list(changes)), seed=seed)


def run_row(preset: Preset, train_set: DataSet, test_set: DataSet, out: Path, num_workers: int, device: str) -> Result:
    """Train one variant in `out` and evaluate its last epoch on `test_set`; continues an interrupted earlier call.

    A result or a checkpoint of another preset or other data is refused.
    """
    path, last = out / "result.json", out / "last.pt"
    data = {"training": describe_data(train_set), "test": describe_data(test_set)}
    if path.is_file():
        return read_result(path, preset, data)
    if last.exists():
        check_origin(last, read_checkpoint(last), preset, {"training": data["training"]})
    train(preset, train_set, None, out, resume=last.exists(), num_workers=num_workers, device=device)
    trained = load_model(last)
    engine = TorchEngine(trained.model.to(device))
    evaluation = evaluate(engine, test_set, preset.model.input_spec, preset.nms_defaults)
    by_iou = evaluation.by_iou()
    result = dict(zip(MEASURES, [by_iou[0], *evaluation.by_size(), *by_iou[1:]], strict=True))
    content = {"format": FORMAT, "preset": preset.to_json(), "data": data, "result": result}
    with replacing(path) as file:
        file.write(json.dumps(content) + "\n")
    return result


def read_result(path: Path, preset: Preset, data: Mapping[str, Description]) -> Result:
    """The result of an earlier call with the same preset and data."""
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = {}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TrainingError(f"{path}: not a result of this version; delete {path.parent}, or choose another --out")
    check_origin(path, content, preset, data)
    result: Result = content["result"]
    return result


def check_origin(path: Path, content: Mapping[str, Any], preset: Preset, data: Mapping[str, Description]) -> None:
    """Raise TrainingError if the content of a row's file was made with another preset or other data."""
    saved = content.get("data", {})
    found = {"settings": preset_difference(preset_of(content, path), preset)}
    found |= {f"{use} data": data_difference(saved.get(use), now) for use, now in data.items()}
    differences = [f"{name}: {difference}" for name, difference in found.items() if difference]
    if differences:
        raise TrainingError(
            f"{path}: made with something else ({'; '.join(differences)}); "
            f"delete {path.parent}, or choose another --out"
        )


def table(preset: Preset, results: Mapping[str, Sequence[Result]], num_classes: int) -> str:
    """The rows in Markdown, in per cent: the mean over the seeds, and ± the deviation if there are several seeds."""
    lines = [
        f"| row | parameters | {' | '.join(MEASURES)} |",
        f"| --- | ---: |{' ---: |' * len(MEASURES)}",
    ]
    rows = rows_of(preset)
    for name, own in results.items():
        size = num_parameters(build_on_meta(variant(preset, rows[name], 0), num_classes))
        cells = [_cell([100 * result[measure] for result in own]) for measure in MEASURES]
        lines.append(f"| {name} | {size / 1e6:.2f}M | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values: Sequence[float]) -> str:
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")
