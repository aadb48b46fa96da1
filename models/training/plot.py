"""The plot of a training run."""

import json
from pathlib import Path

from matplotlib.figure import Figure


def plot_run(log: Path, path: Path) -> None:
    """Draw losses and AP by epoch from log.jsonl into a PNG."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(8, 7), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    epochs = [line["epoch"] for line in lines]
    for name in lines[0]["losses"]:
        top.plot(epochs, [line["losses"][name] for line in lines], label=name)
    top.set(ylabel="loss", yscale="log")
    top.legend()
    scored = [line for line in lines if "ap" in line]
    bottom.plot(
        [line["epoch"] for line in scored], [line["ap"] for line in scored], marker=".", label="AP50, validation"
    )
    bottom.set(xlabel="epoch", ylabel="AP50", ylim=(0, 1))
    bottom.legend()
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
