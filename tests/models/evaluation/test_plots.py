"""The figures of an evaluation, as they are drawn."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.evaluation.average_precision import Curve
from models.evaluation.plots import draw_confusion, draw_f1, draw_precision_recall, shortened
from models.evaluation.thresholds import operating_points

LONG = ["a class with a very long name, as some exports of data sets have them, number 1", "the same, number 2"]


def curve(num_objects: int = 2) -> Curve:
    return Curve(np.array([0.9, 0.5]), np.array([True, False]), num_objects)


def legend_of(figure: Figure) -> list[str]:
    legend = figure.axes[0].get_legend()
    assert legend is not None
    return [text.get_text().strip() for text in legend.get_texts()]


def test_the_legend_has_names_that_begin_with_an_underscore() -> None:
    names = ["cell", "_background"]
    assert legend_of(draw_precision_recall([curve()] * 2, [0.5, 0.5], names, "")) == [
        "cell: AP50 50.0 %",
        "_background: AP50 50.0 %",
    ]


def test_the_legends_say_which_classes_have_no_objects() -> None:
    names, curves = ["cell", "virus"], [curve(), curve(0)]
    assert legend_of(draw_precision_recall(curves, [0.5, float("nan")], names, ""))[1] == "virus: no objects"
    assert legend_of(draw_f1([operating_points(c) for c in curves], names, 0, ""))[1] == "virus: no objects"


@pytest.mark.parametrize("kind", ["precision_recall", "confusion"])
def test_long_names_stay_inside_the_figure(kind: str) -> None:
    if kind == "confusion":
        figure = draw_confusion(np.eye(3, dtype=np.int64), LONG, "")
    else:
        figure = draw_precision_recall([curve()] * 2, [0.5, 0.5], LONG, "")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    box = axes.get_tightbbox(canvas.get_renderer())
    assert box is not None
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.width
    ticks = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 <= right.x0 for left, right in pairwise(ticks))


def test_a_short_text_has_its_length_and_both_ends() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcde…hijk"
    assert shortened("abcdefghijkl", 9) == "abcd…ijkl"
