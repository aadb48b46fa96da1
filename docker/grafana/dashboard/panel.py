"""What a panel is, and the parts that many of their queries have in common."""

from dataclasses import dataclass
from typing import Literal

REPLICA = 'instance=~"$instance"'
VERSION = 'model=~"$model", version=~"$version"'  # of a model; also matches what concerns no model if all are chosen
CHOSEN = f"{REPLICA}, {VERSION}"
DETECT = f'route=~"/detect|/v2/.*infer", {CHOSEN}'
ANSWERED = f'{DETECT}, code="200"'
UP = 'up{job="singleshot"}'

Kind = Literal["timeseries", "stat", "heatmap"]
Step = tuple[str, float | None]  # a colour, and the value from which on a number has it; None: from the lowest on
Row = tuple[str, tuple["Panel", ...]]


@dataclass(frozen=True)
class Panel:
    """A panel. `queries` are pairs of a legend and an expression; `description` says what to do when it looks wrong."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str
    kind: Kind = "timeseries"
    is_stacked: bool = False
    has_exemplars: bool = False
    steps: tuple[Step, ...] = ()  # the colours of a stat, from the lowest value on
    plain: tuple[str, ...] = ()  # legends of a stat that have no colour
    lowest: float | None = 0  # of the axis; None: as the data
    width: int = 8
    height: int = 8


def rate(metric: str, labels: str) -> str:
    """The rate of a counter over the time that suits the width of the panel."""
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


def quantile(share: float, metric: str, labels: str, by: str = "") -> str:
    """A quantile of a histogram, by the labels `by`, such as "stage, "."""
    return f"histogram_quantile({share}, sum by ({by}le) ({rate(f'{metric}_bucket', labels)}))"


def mean(metric: str, labels: str, by: str) -> str:
    """The mean of a histogram, by the labels `by`."""
    return f"sum by ({by}) ({rate(f'{metric}_sum', labels)}) / sum by ({by}) ({rate(f'{metric}_count', labels)})"
