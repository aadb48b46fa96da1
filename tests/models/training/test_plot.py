"""The plot of a run: each line is drawn under its name."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from models.training.plot import plot_run


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, after which their axes are still there."""
    figures: list[Figure] = []
    save = Figure.savefig

    def record(figure: Figure, path: Path, dpi: float) -> None:
        figures.append(figure)
        save(figure, path, dpi=dpi)

    monkeypatch.setattr(Figure, "savefig", record)
    return figures


def line(epoch: int, **more: object) -> str:
    return json.dumps({"epoch": epoch, "lr": 0.01 * epoch, "losses": {"scores": 1.0, "boxes": 2.0}} | more) + "\n"


def test_each_measure_is_drawn_under_its_own_name(tmp_path: Path, drawn: list[Figure]) -> None:
    log, path = tmp_path / "log.jsonl", tmp_path / "plot.png"
    log.write_text(line(1) + line(2, measures={"AP50": 0.5, "AP50:95": 0.25}))
    plot_run(log, path)
    losses, rate, measures = drawn[0].axes
    assert [drawn_line.get_label() for drawn_line in losses.lines] == ["scores", "boxes"]
    assert np.asarray(rate.lines[0].get_ydata()).tolist() == [0.01, 0.02]
    assert [one.get_label() for one in measures.lines] == ["AP50", "AP50:95"]
    assert [np.asarray(one.get_ydata()).tolist() for one in measures.lines] == [[0.5], [0.25]]
    assert path.stat().st_size > 0


def test_a_run_that_is_never_evaluated_is_drawn(tmp_path: Path, drawn: list[Figure]) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(line(1))
    plot_run(log, tmp_path / "plot.png")
    assert not drawn[0].axes[2].lines
