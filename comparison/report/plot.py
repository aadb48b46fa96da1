"""The comparison as a plot."""

from pathlib import Path

from comparison.report.results import Comparison, median_of, servers_in

PANELS = (
    ("p50_ms", "p50, ms", "log"),
    ("p99_ms", "p99, ms", "log"),
    ("in_time_share", "share of the offered requests answered in time", "linear"),
)


def draw(comparison: Comparison, path: Path) -> None:
    """Plot figures by rate to the image file `path`: a line for each server's medians, a band for their range."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    loads = [load for load in comparison.loads if load.rate is not None and load.rounds]
    servers = list(dict.fromkeys(server for load in loads for server in servers_in(load)))
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(16, 5))
    for axis, (column, title, scale) in zip(axes, PANELS, strict=True):
        for server in servers:
            found = [(load.rate, spread) for load in loads if (spread := median_of(load, server, column))]
            rates = [rate for rate, _ in found]
            (line,) = axis.plot(rates, [spread.median for _, spread in found], marker="o", label=server)
            least, greatest = [spread.least for _, spread in found], [spread.greatest for _, spread in found]
            axis.fill_between(rates, least, greatest, color=line.get_color(), alpha=0.15, linewidth=0)
        axis.set(title=title, xlabel="requests offered a second", yscale=scale)
        axis.grid(alpha=0.3)
    if servers:
        axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
