"""Write the dashboard, dashboards/singleshot.json: a table of panels here gives two thousand lines there.

The module is long because the table is: a panel is found faster in one table than in several files.

example:
  python docker/grafana/dashboard.py
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "dashboards" / "singleshot.json"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
DETECT = 'route=~"/detect|/v2/.*infer"'
COLUMNS, HEIGHT = 24, 8


@dataclass(frozen=True)
class Panel:
    """A graph. `queries` are pairs of a legend and an expression; `description` says what to do when it looks wrong."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str
    is_stacked: bool = False
    width: int = 8


ROWS: dict[str, tuple[Panel, ...]] = {
    "Traffic": (
        Panel(
            "Requests by answer",
            "reqps",
            (("{{code}}", "code:singleshot_detect_requests:rate1m"),),
            "503: too little capacity, add replicas. 500: the engine failed, read the log. 504: answers come too late, "
            "look at the latency. 4xx: clients' errors; 429: a client is over its limit; 401: a key is missing or "
            "wrong.",
            is_stacked=True,
        ),
        Panel(
            "Goodput",
            "reqps",
            (
                ("answered within 1.1 s", "detect:singleshot_goodput:rate1m"),
                ("all", f"sum(rate(singleshot_request_duration_seconds_count{{{DETECT}}}[$__rate_interval]))"),
            ),
            "The gap between the lines is the requests without an answer in time: look at Rejections and at the "
            "latency by stage.",
        ),
        Panel(
            "Requests that miss the objective",
            "percentunit",
            (
                ("last 5 min", "detect:singleshot_missed_objective:ratio5m"),
                ("last 30 min", "detect:singleshot_missed_objective:ratio30m"),
                ("last hour", "detect:singleshot_missed_objective:ratio1h"),
                ("last 6 hours", "detect:singleshot_missed_objective:ratio6h"),
            ),
            "1 % is the budget. An alert fires above 14.4 % for an hour and above 6 % for six hours; its run-book says "
            "where to look.",
        ),
    ),
    "Latency": (
        Panel(
            "Request time by stage",
            "s",
            (
                (
                    "{{stage}}",
                    "sum by (stage) (rate(singleshot_stage_duration_seconds_sum[$__rate_interval])) "
                    "/ ignoring (stage) group_left () "
                    f'sum(rate(singleshot_request_duration_seconds_count{{{DETECT}, code="200"}}[$__rate_interval]))',
                ),
            ),
            "Mean time of each stage per answered request, stacked. The mean in the panel on the right minus the "
            "height of this stack is the time between the stages. A large stage means: receive: slow clients; decode: "
            "large images or too few DECODE_THREADS; queue: too little capacity; infer: the engine, or a busy machine; "
            "postprocess: many candidates; draw: large or many pictures with format=image. The images of one request "
            "run in parallel, so the stack of a request with several images is higher than the request's own time.",
            is_stacked=True,
        ),
        Panel(
            "Request time, total",
            "s",
            (
                ("p50", "detect:singleshot_request_duration_seconds:p50"),
                ("p95", "detect:singleshot_request_duration_seconds:p95"),
                ("p99", "detect:singleshot_request_duration_seconds:p99"),
                (
                    "mean",
                    f'sum(rate(singleshot_request_duration_seconds_sum{{{DETECT}, code="200"}}[$__rate_interval])) / '
                    f'sum(rate(singleshot_request_duration_seconds_count{{{DETECT}, code="200"}}[$__rate_interval]))',
                ),
            ),
            "From the first byte in to the last byte out, for requests answered with 200. If it grows, look for the "
            "stage that grew with it. p99 far above p50 at low load: other work runs on the machine.",
        ),
        Panel(
            "Stages, p99",
            "s",
            (("{{stage}}", "stage:singleshot_stage_duration_seconds:p99"),),
            "99 % of the stages are faster than this; the values of the stages do not add up. Only queue high: bursts, "
            "add replicas. infer high: batches are too large (lower MAX_BATCH), or other work runs on the machine. "
            "receive high: slow uploads, which cost the server nothing.",
        ),
        Panel(
            "Stages, p50 and p95",
            "s",
            (
                ("{{stage}} p50", "stage:singleshot_stage_duration_seconds:p50"),
                ("{{stage}} p95", "stage:singleshot_stage_duration_seconds:p95"),
            ),
            "The same as the p99 above, for typical requests.",
            width=24,
        ),
    ),
    "Load": (
        Panel(
            "Images in a batch",
            "short",
            (
                (
                    "mean, {{model}}",
                    "sum by (model) (rate(singleshot_batch_size_sum[$__rate_interval])) / "
                    "sum by (model) (rate(singleshot_batch_size_count[$__rate_interval]))",
                ),
                (
                    "p95, {{model}}",
                    "histogram_quantile(0.95, "
                    "sum by (model, le) (rate(singleshot_batch_size_bucket[$__rate_interval])))",
                ),
            ),
            "On a CPU, near 1 is right: larger batches gain nothing there. On a GPU under load, it should rise towards "
            "MAX_BATCH.",
        ),
        Panel(
            "Images waiting",
            "short",
            (("{{instance}} {{model}}", "singleshot_queue_depth"),),
            "Short peaks are bursts. A line that stays high and rises: too little capacity, add replicas. One replica "
            "far above the others: look at its machine.",
        ),
        Panel(
            "Rejections by reason",
            "reqps",
            (("{{reason}}", "reason:singleshot_rejected:rate1m"),),
            "late: the answer would have missed its objective. busy: the event loop gets more requests than it can "
            "read. queue_full, requests: more at once than MAX_QUEUE or MAX_REQUESTS. expired: accepted, but not done "
            "before the deadline. pixels, memory: too many pixels in decoding (MAX_PIXELS_IN_FLIGHT), or bytes of "
            "bodies (MAX_BODY_BYTES_IN_FLIGHT). drawings: too many pictures of format=image. closing: for a replaced "
            "model. For all of these, add replicas; for late, OBJECTIVE_SECONDS may also be longer. key: clients "
            "without a valid key. rate: clients over their limit.",
            is_stacked=True,
        ),
        Panel(
            "Utilisation of the engine",
            "percentunit",
            (("{{instance}} {{model}}", "instance_model:singleshot_engine_utilisation:rate1m"),),
            "Share of the time in which the engine's streams run batches. Steadily above 80 %: add replicas. Low while "
            "images wait: too few streams (ENGINE_STREAMS), or slow decoding.",
        ),
        Panel(
            "Pixels being decoded",
            "short",
            (("{{instance}}", "singleshot_inflight_pixels"),),
            "Near MAX_PIXELS_IN_FLIGHT, the server rejects images (reason pixels): give it more memory and a higher "
            "limit, or send smaller images.",
        ),
        Panel(
            "Proxy: retries and failed connections",
            "reqps",
            (
                ("sent to another replica", "sum(rate(haproxy_backend_redispatch_warnings_total[$__rate_interval]))"),
                ("no connection", "sum(rate(haproxy_backend_connection_errors_total[$__rate_interval]))"),
            ),
            "Above zero while a replica dies or is replaced. If it stays above zero, find the faulty replica in the "
            "row Health.",
        ),
    ),
    "What the models see": (
        Panel(
            "Detections by class",
            "cps",
            (
                (
                    "{{model}} {{label}}",
                    "sum by (model, label) (rate(singleshot_detections_total[$__rate_interval]))",
                ),
            ),
            "If a class disappears while requests continue, look for another camera, other images or a new bundle. "
            "Evaluate the model on newly labelled images.",
            is_stacked=True,
        ),
        Panel(
            "Drift of the scores",
            "percentunit",
            (("{{model}}", "model:singleshot_detection_score:drift"),),
            "Largest distance between the distributions of the last hour's scores and of the last day's "
            "(Kolmogorov-Smirnov). An alert fires above 15 % if there are a thousand detections: look at images of "
            "that hour with format=image.",
        ),
        Panel(
            "Mean score",
            "percentunit",
            (
                (
                    "{{model}}",
                    "sum by (model) (rate(singleshot_detection_score_sum[$__rate_interval])) / "
                    "sum by (model) (rate(singleshot_detection_score_count[$__rate_interval]))",
                ),
            ),
            "It falls if images become unlike the training images. It cannot fall below the score threshold.",
        ),
    ),
    "Health": (
        Panel(
            "Replicas",
            "short",
            (
                ("answer Prometheus", 'sum(up{job="singleshot"})'),
                ("ready", "sum(singleshot_ready)"),
                ("{{model}} {{version}}, {{engine}}", "count by (model, version, engine) (singleshot_model_info)"),
            ),
            "ready is below the others: GET /readyz of the replica says why. Two versions for a long time: a roll-out "
            "that stopped half-way.",
        ),
        Panel(
            "Memory",
            "bytes",
            (("{{instance}}", 'process_resident_memory_bytes{job="singleshot"}'),),
            "It rises with load and stays there. If it rises for hours at constant load, go back to the previous "
            "version and report it. If decoding takes too much memory, lower MAX_PIXELS_IN_FLIGHT.",
        ),
        Panel(
            "Processor",
            "short",
            (("{{instance}}", 'rate(process_cpu_seconds_total{job="singleshot"}[$__rate_interval])'),),
            "Cores in use. At the machine's number of cores, add replicas on another machine. High without traffic: "
            "report it.",
        ),
    ),
    "GPU": (
        Panel(
            "GPU utilisation",
            "percent",
            (("{{gpu}}", "DCGM_FI_DEV_GPU_UTIL"),),
            "Empty if no NVIDIA DCGM exporter runs (profile gpu starts it). Low under load: decoding on the CPU is the "
            "limit.",
        ),
        Panel(
            "GPU memory",
            "decmbytes",
            (("{{gpu}}", "DCGM_FI_DEV_FB_USED"),),
            "Empty if no NVIDIA DCGM exporter runs. Near the card's size: serve fewer models, or lower MAX_BATCH.",
        ),
        Panel(
            "GPU temperature",
            "celsius",
            (("{{gpu}}", "DCGM_FI_DEV_GPU_TEMP"),),
            "Empty if no NVIDIA DCGM exporter runs. Near its limit, the card slows down: check the cooling.",
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row, members in ROWS.items():
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row,
                "collapsed": False,
                "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
                "panels": [],
            }
        )
        x, y = 0, y + 1
        for panel in members:
            if x + panel.width > COLUMNS:
                x, y = 0, y + HEIGHT
            panels.append(drawn(panel, len(panels) + 1, x, y))
            x += panel.width
        y += HEIGHT
    return {
        "uid": "singleshot",
        "title": "Singleshot",
        "tags": ["singleshot"],
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 41,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": panels,
    }


def drawn(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """A panel as Grafana reads it, at column x of row y."""
    custom: dict[str, Any] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 60 if panel.is_stacked else 5}
    if panel.is_stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for index, (legend, expression) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    OUT.write_text(json.dumps(dashboard(), indent=2) + "\n")
