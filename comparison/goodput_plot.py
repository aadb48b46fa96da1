"""The plot of `python -m comparison.goodput`: answers in time by requests offered."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw(figures: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw a line for each of the `figures`, by name, to the image file `path`; they have the form of `--out`.

    The lines are of requests with a timeout in their header.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4.5))
    most = 0.0
    for name, found in figures.items():
        rows = [row for row in found["rows"] if row["header"] != "none"]
        offered = [row["offered"] for row in rows]
        axis.plot(offered, [row["goodput"] for row in rows], marker="o", label=name)
        most = max(most, *offered)
    axis.plot([0, most], [0, most], color="grey", linewidth=0.8, linestyle=":", label="all in time")
    axis.set(xlabel="requests offered a second", ylabel="answered in time a second", xlim=(0, None), ylim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def read_figures(path: Path) -> dict[str, Any]:
    """The figures that `--out` wrote; raises ValueError, and OSError if the file cannot be read."""
    try:
        found = json.loads(path.read_text())
        if all({"header", "offered", "goodput"} <= row.keys() for row in found["rows"]):
            return dict(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: it is no file of `--out`: {error}") from error
    raise ValueError(f"{path}: it is no file of `--out`: a row lacks a figure")
