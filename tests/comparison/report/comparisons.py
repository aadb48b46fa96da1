"""Small comparisons for the tests of the report."""

from comparison.report.machine import Machine
from comparison.report.results import Comparison
from comparison.turns.figures import Figures
from comparison.turns.resident import Standing
from comparison.turns.rounds import Load, Round
from comparison.turns.spread import Spread
from comparison.turns.trials import Trial

MACHINE = Machine("Fast CPU", 2, True, "Linux", "openvino in bf16")


def figures(p50_ms: float | None, cpu_ms: float | None = 10.0) -> Figures:
    p99_ms = None if p50_ms is None else 10 * p50_ms
    return Figures(50.0, p50_ms, p99_ms, 0.98, cpu_ms, 1.0, {"200": 49, "503": 1})


def comparison(*loads: Load) -> Comparison:
    """Two servers, of which one was tried in two settings; a third one was left out."""
    return Comparison(
        MACHINE,
        objective_ms=250.0,
        seconds=4.0,
        num_rounds=2,
        loop_cpu_ms={1: 8.0, 4: 7.0},
        probe_images=30,
        versions={
            "singleshot": {"singleshot": "0.1", "python": "3.11.7", "openvino": "2026.1", "numpy": "2.4"},
            "mosec": {"mosec": "0.9", "python": "3.11.7", "openvino": "2026.1", "numpy": "2.3"},
        },
        trials=[
            Trial("mosec", "no batches", Spread(40.0, 39.0, 41.0), is_best=True),
            Trial("mosec", "batches of at most 4", None, is_best=False),
        ],
        standings=[Standing("singleshot", "as it is", 0.4, 570.0), Standing("mosec", "no batches", 0.0, 1051.0)],
        loads=list(loads),
        failures={"ray": "2 of its 20 processes ended"},
    )


def two_rounds() -> Load:
    """Round 0 was redone; the first try of it is not kept."""
    return Load(
        0.6,
        30.0,
        [
            Round(0, [0.3, 0.6, 0.3], {"singleshot": figures(1.0), "mosec": figures(99.0)}),
            Round(1, [0.3, 0.3, 0.3], {"mosec": figures(30.0), "singleshot": figures(20.0)}),
            Round(0, [0.3, 0.33, 0.3], {"singleshot": figures(10.0), "mosec": figures(20.0)}),
        ],
    )


def capacity() -> Load:
    return Load(None, None, [Round(0, [0.3, 0.3, 0.3], {"singleshot": Figures(50.0), "mosec": Figures(60.0)})])
