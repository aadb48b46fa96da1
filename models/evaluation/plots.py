"""Figures of an evaluation: precision by recall, F1 by score threshold, the confusion matrix."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.evaluation.average_precision import Curve
from models.evaluation.thresholds import THRESHOLDS, OperatingPoints, mean_f1

MAX_LEGEND = 20  # classes with a colour and a line in the legend; further ones are drawn in grey
MAX_CELLS_WITH_NUMBERS = 30
MAX_NAME = 40  # characters of a class's name
CHARACTER = 0.085  # inches: the mean width of a character of a tick's label


def shortened(text: str, length: int = MAX_NAME) -> str:
    """The text, or its start and its end if it is longer than `length`: long names often differ at the end only."""
    start = length // 2
    return text if len(text) <= length else f"{text[:start]}…{text[start - length + 1 :]}"


def draw_precision_recall(curves: Sequence[Curve], ap50: Sequence[float], classes: Sequence[str], title: str) -> Figure:
    """Precision by recall of each class at IoU .5; the AP in the legend is the area under the curve's envelope."""
    figure, axes = _square(title)
    names = [
        f"{shortened(name)}: {'no objects' if np.isnan(ap) else f'AP50 {100 * ap:.1f} %'}"
        for name, ap in zip(classes, ap50, strict=True)
    ]
    lines = [(np.append(0 * c.recall[:1], c.recall), np.append(c.precision[:1], c.precision)) for c in curves]
    _draw_classes(axes, lines, names, worst_first=np.argsort(ap50))
    _add_legend(figure, axes, len(names), "lower left")
    axes.set(xlabel="recall: found objects / objects", ylabel="precision: right detections / detections")
    return figure


def draw_f1(points: Sequence[OperatingPoints], classes: Sequence[str], common: int, title: str) -> Figure:
    """F1 of each class by score threshold, with its best threshold, and the best one for all classes."""
    figure, axes = _square(title)
    best = [of_class.f1[of_class.best] for of_class in points]
    names = [f"{shortened(name)}: {_best_text(of_class)}" for name, of_class in zip(classes, points, strict=True)]
    _draw_classes(axes, [(THRESHOLDS, of_class.f1) for of_class in points], names, worst_first=np.argsort(best))
    mean = mean_f1(points)
    if not np.isnan(mean).any():
        label = f"mean: best at {THRESHOLDS[common]:.2f}, F1 {mean[common]:.2f}"
        axes.plot(THRESHOLDS, mean, color="black", linewidth=2.5, label=label)
        axes.axvline(THRESHOLDS[common], color="black", linestyle=":")
    _add_legend(figure, axes, len(names), "lower center")
    axes.set(xlabel="score threshold", ylabel="F1: harmonic mean of precision and recall")
    return figure


def _best_text(points: OperatingPoints) -> str:
    f1 = points.f1[points.best]
    if np.isnan(f1):
        return "no objects"
    return f"best at {THRESHOLDS[points.best]:.2f}, F1 {f1:.2f}" if points.is_useful else "none is found"


def draw_confusion(confusion: NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """The confusion matrix (K + 1, K + 1): numbers, coloured by their share of the class's objects."""
    names = [shortened(name) for name in classes]
    longest = max(map(len, names))
    size = max(6.0, 2.5 + 0.28 * len(confusion)) + max(0.0, CHARACTER * (longest - MAX_NAME / 4))
    figure = Figure(figsize=(size + 1.5, size), layout="constrained")
    axes = figure.subplots()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shares[-1] = 0  # detections without an object are no share of any objects
    image = axes.imshow(shares, cmap=colormaps["Blues"], vmin=0, vmax=1)
    positions = range(len(confusion))
    is_narrow = CHARACTER * longest * len(confusion) > 4  # inches, of the smallest matrix
    axes.set_xticks(positions, [*names, "missed"], rotation=90 if is_narrow else 0)
    axes.set_yticks(positions, [*names, "no object left"])
    axes.set(xlabel="detected as", ylabel="object")
    axes.set_title(title, fontsize=10)
    if len(confusion) <= MAX_CELLS_WITH_NUMBERS:
        for row in positions:
            for column in positions:
                is_corner = row == column == len(classes)  # nobody counts what is neither there nor detected
                text = "" if is_corner else f"{confusion[row, column]}"
                if row < len(classes) and confusion[row].any():
                    text += f"\n{100 * shares[row, column]:.0f} %" if len(classes) <= 10 else ""
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    figure.colorbar(image, ax=axes, label="share of the class's objects", shrink=0.8, aspect=30)
    return figure


def _square(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.5, 7), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    return figure, axes


def _draw_classes(
    axes: Axes,
    lines: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]],
    names: Sequence[str],
    worst_first: NDArray[np.intp],
) -> None:
    """Draw a line for each class. Of many classes, the worst ones get a colour and an entry in the legend."""
    colours = colormaps["tab20" if len(names) > 10 else "tab10"]
    named = set(worst_first[:MAX_LEGEND].tolist())
    for n, ((x, y), name) in enumerate(zip(lines, names, strict=True)):
        if n in named:
            # matplotlib leaves names that begin with _ out of the legend
            label = f" {name}" if name.startswith("_") else name
            axes.plot(x, y, color=colours(sorted(named).index(n)), label=label)
        else:
            axes.plot(x, y, color="grey", alpha=0.3, linewidth=0.8, zorder=1)


def _add_legend(figure: Figure, axes: Axes, num_classes: int, place: str) -> None:
    """Add the legend inside the axes, or beside them if it is long."""
    heading = None if num_classes <= MAX_LEGEND else f"the worst {MAX_LEGEND} of {num_classes} classes"
    if num_classes <= 10:
        axes.legend(loc=place)
    else:
        figure.set_figwidth(12)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title=heading, fontsize=8)
