"""What an evaluation prints and writes: the table, the files of detections, the plots."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from models.data.data_set import DataError, DataSet
from models.evaluation.average_precision import curve
from models.evaluation.mistakes import IOU_THRESHOLD, Mistake, find_mistakes
from models.evaluation.plots import draw_confusion, draw_f1, draw_precision_recall, shortened
from models.evaluation.report import Evaluation
from models.evaluation.results_file import write_results
from models.evaluation.sheet import draw_mistakes
from models.evaluation.thresholds import THRESHOLDS, OperatingPoints, best_common, operating_points
from models.replacing import replacing

MAX_MISTAKES = 24  # of each kind, on the sheet
MAX_TITLE = 80  # characters of a line


@dataclass(frozen=True)
class Outputs:
    """The file of results and the folder of plots; None for each that is not wanted."""

    results: Path | None = None
    plots: Path | None = None

    @property
    def needs_annotations(self) -> bool:
        """Whether a split without annotations is of no use: it has neither AP nor mistakes."""
        return self.results is None or self.plots is not None

    def prepare(self) -> None:
        """Make the folders and try to write there: an impossible place is an error before the detection, not after."""
        if self.results and self.results.is_dir():
            raise DataError(f"--results {self.results} is a folder; give a file, e.g. {self.results / 'results.json'}")
        if self.plots and (self.plots.is_file() or self.plots == self.results):
            raise DataError(f"--plots {self.plots} is a file; give a folder for the PNGs")
        for option, folder in (("--results", self.results and self.results.parent), ("--plots", self.plots)):
            if folder:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    with TemporaryFile(dir=folder):
                        pass
                except OSError as error:
                    raise DataError(
                        f"{option}: files cannot be written into {folder} ({error.strerror}); choose another place"
                    ) from error

    def present(self, evaluation: Evaluation, model: str) -> None:
        """Print the table and write the files; `model` names the detector in the titles."""
        data_set = evaluation.data_set
        if data_set.is_annotated:
            print(evaluation.table())
        else:
            print(
                f"{data_set.name}/{data_set.split} has no annotations, so there is no AP; send the results to a server"
            )
        if self.results:
            print("\n".join(write_results(self.results, data_set, evaluation.results)))
        if self.plots:
            print(write_plots(self.plots, evaluation, model))
        elif data_set.is_annotated:
            print("to see the worst misses and false alarms, and the best score thresholds: add --plots DIR")


def write_plots(folder: Path, evaluation: Evaluation, model: str) -> str:
    """Write four PNGs and their numbers into a folder -> the best score thresholds, as text.

    precision_recall.png, f1.png, confusion.png and mistakes.png; numbers.json.
    """
    data_set, classes = evaluation.data_set, evaluation.classes
    curves = [curve(evaluation.results, label) for label in range(len(classes))]
    points = [operating_points(of_class) for of_class in curves]
    common = best_common(points)
    threshold = float(THRESHOLDS[common])
    mistakes = find_mistakes(evaluation.results, classes, threshold, MAX_MISTAKES)
    ap50 = [result.all_points for result in evaluation.per_class]
    data = shortened(f"{model} on {data_set.name}/{data_set.split}, {len(data_set.samples)} images", MAX_TITLE)
    at_threshold = f"IoU {IOU_THRESHOLD}, scores from {threshold:.2f}\n{data}"
    with rc_context({"text.parse_math": False}):  # a name may contain $
        figures: dict[str, Figure] = {
            "precision_recall": draw_precision_recall(
                curves, ap50, classes, f"Precision by recall, IoU {IOU_THRESHOLD}\n{data}"
            ),
            "f1": draw_f1(points, classes, common, f"F1 by score threshold, IoU {IOU_THRESHOLD}\n{data}"),
            "confusion": draw_confusion(mistakes.confusion, classes, f"Confusion matrix, {at_threshold}"),
            "mistakes": draw_mistakes(data_set, mistakes, f"The worst mistakes, {at_threshold}"),
        }
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png", dpi=100)
    of_class = [
        {
            "class": name,
            "objects": result.num_objects,
            "AP50": _or_none(result.all_points),
            "best_threshold": float(THRESHOLDS[p.best]) if p.is_useful else None,
            **{key: _or_none(values[p.best]) for key, values in vars(p).items()},
            "precision_at_recall": [_or_none(c.precision[c.recall >= r].max(initial=0.0)) for r in np.arange(101) / 100]
            if result.num_objects
            else None,
            "f1_at_threshold": [_or_none(value) for value in p.f1],
        }
        for name, result, p, c in zip(classes, evaluation.per_class, points, curves, strict=True)
    ]
    numbers = {
        "model": model,
        "data": f"{data_set.name}/{data_set.split}",
        "images": len(data_set.samples),
        "measures": {name: _or_none(value) for name, value in evaluation.measures.items()},
        "iou_threshold": IOU_THRESHOLD,
        "score_threshold": threshold,
        "classes": of_class,
        "confusion": {
            "rows": [*classes, "no object left"],
            "columns": [*classes, "missed"],
            "numbers": mistakes.confusion.tolist(),
        },
        "misses": [_mistake(data_set, mistake) for mistake in mistakes.misses],
        "false_alarms": [_mistake(data_set, mistake) for mistake in mistakes.false_alarms],
    }
    with replacing(folder / "numbers.json") as file:
        json.dump(numbers, file, indent=1)
    width = max(len(name) for name in classes)
    lines = [_best_line(f"{name:{width}}", of_class) for name, of_class in zip(classes, points, strict=True)]
    found_any = any(of_class.is_useful for of_class in points)
    advice = f"{threshold:.2f} (--score-threshold of export build); choose it on val, not on test"
    return "\n".join(
        [
            f"{'class':{width}}  score      F1  precision  recall    (at the threshold with the best F1, IoU .5)",
            *lines,
            f"one for all classes: {advice if found_any else 'none, because no object is found'}",
            f"{folder}: {', '.join(f'{name}.png' for name in figures)}; numbers.json",
        ]
    )


def _best_line(name: str, points: OperatingPoints) -> str:
    """The line of a class in the table; dashes if it has no objects, or none that is found."""
    if not points.is_useful:
        return f"{name}  {'-':>5}  {'-':>6}  {'-':>9}  {'-':>6}"
    best = points.best
    return (
        f"{name}  {THRESHOLDS[best]:5.2f}  {100 * points.f1[best]:6.2f}  "
        f"{100 * points.precision[best]:9.2f}  {100 * points.recall[best]:6.2f}"
    )


def _or_none(value: float) -> float | None:
    """JSON has no nan."""
    return None if np.isnan(value) else round(float(value), 5)


def _mistake(data_set: DataSet, mistake: Mistake) -> dict[str, object]:
    return {
        "image": str(data_set.samples[mistake.image].image_path),
        "class": data_set.classes[mistake.label],
        "box": np.round(mistake.box.astype(float), 2).tolist(),
        "score": round(mistake.score, 6),
        "reason": mistake.reason,
    }
