"""The plot of a training run."""

import json
from pathlib import Path

from matplotlib.figure import Figure


def plot_run(log: Path, path: Path) -> None:
    """Draw losses, the learning rate and the measures on the validation split by epoch, from log.jsonl into a PNG."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(8, 9), layout="constrained")
    losses, rate, measures = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1, 3))
    epochs = [line["epoch"] for line in lines]
    for name in lines[0]["losses"]:
        losses.plot(epochs, [line["losses"][name] for line in lines], label=name)
    losses.set(ylabel="loss, mean of the epoch", yscale="log")
    losses.legend()
    rate.plot(epochs, [line["lr"] for line in lines], color="black")
    rate.set(ylabel="learning rate", ylim=(0, None))
    scored = [line for line in lines if "measures" in line]
    for name in scored[0]["measures"] if scored else ():
        measures.plot(
            [line["epoch"] for line in scored], [line["measures"][name] for line in scored], marker=".", label=name
        )
    measures.set(xlabel="epoch", ylabel="on the validation split", ylim=(0, 1))
    if scored:
        measures.legend()
    else:
        measures.text(0.5, 0.5, "not evaluated yet", ha="center", transform=measures.transAxes)
    for axes in (losses, rate, measures):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
