"""The dashboard as Grafana reads it."""

from typing import Any

from .health import GPU, HEALTH
from .latency import LATENCY
from .load import LIMITS, LOAD
from .models import DETECTIONS, VERSIONS
from .panel import REPLICA, VERSION, Panel, Row
from .traffic import NOW, TRAFFIC

ROWS: tuple[Row, ...] = (NOW, TRAFFIC, LATENCY, LOAD, LIMITS, DETECTIONS, VERSIONS, HEALTH, GPU)
SOURCE = {"type": "prometheus", "uid": "prometheus"}
COLUMNS = 24

# What the viewer may choose: the variable's name, its caption, and the query for its values
VARIABLES = (
    ("instance", "Replica", 'label_values(up{job="singleshot"}, instance)'),
    ("model", "Model", f"label_values(singleshot_model_info{{{REPLICA}}}, model)"),
    ("version", "Version", f'label_values(singleshot_model_info{{{REPLICA}, model=~"$model"}}, version)'),
)

LOADS = f'singleshot_model_loads_total{{{REPLICA}, model=~"$model"}}'
SERVED = f"count by (model, version, engine) (singleshot_model_info{{{REPLICA}, {VERSION}}}"
BUILDS = f"count by (version) (singleshot_build_info{{{REPLICA}}}"

# Events: a name, a colour, the text, and a query that is above 0 in the first minute of an event
ANNOTATIONS = (
    (
        "Starts",
        "purple",
        "{{instance}} started",
        f'time() - process_start_time_seconds{{job="singleshot", {REPLICA}}} < bool 60',
    ),
    (
        "Bundles loaded or refused",
        "blue",
        "bundle of {{model}} {{outcome}}",
        f"sum by (model, outcome) ({LOADS} unless {LOADS} offset 1m or increase({LOADS}[1m])) "
        "or 0 * max(singleshot_ready)",
    ),
    (
        "Versions of models",
        "green",
        "{{model}} {{version}} is served, {{engine}}",
        f"{SERVED}) unless {SERVED} offset 1m) or 0 * {SERVED})",
    ),
    (
        "Versions of the server",
        "orange",
        "server {{version}}",
        f"{BUILDS}) unless {BUILDS} offset 1m) or 0 * {BUILDS})",
    ),
)


def dashboard() -> dict[str, Any]:
    """The whole dashboard."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, members in ROWS:
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": place})
        x, y, height = 0, y + 1, 0
        for panel in members:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            panels.append(drawn(panel, len(panels) + 1, x, y))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return {
        "uid": "singleshot",
        "title": "Singleshot",
        "tags": ["singleshot"],
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 41,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [variable(*described) for described in VARIABLES]},
        "annotations": {"list": [annotation(*described) for described in ANNOTATIONS]},
        "panels": panels,
    }


def variable(name: str, label: str, query: str) -> dict[str, Any]:
    """A choice of several values, or of all: a regular expression then matches series without the label too."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # when the time changes
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def annotation(name: str, colour: str, text: str, query: str) -> dict[str, Any]:
    """Events that all graphs show as lines."""
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": colour,
        "expr": query,
        "titleFormat": text,
    }


def drawn(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """A panel at column x of row y."""
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": field(panel), "overrides": [plain(legend) for legend in panel.plain]},
        "options": OPTIONS[panel.kind] | ({"yAxis": {"unit": panel.unit}} if panel.kind == "heatmap" else {}),
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "format": "heatmap" if panel.kind == "heatmap" else "time_series",
                "exemplar": panel.has_exemplars and index == 0,
            }
            for index, (legend, expression) in enumerate(panel.queries)
        ],
    }


OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
        "orientation": "auto",
        "textMode": "auto",
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
    },
    "heatmap": {
        "calculate": False,  # the query has the buckets
        "color": {"mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "exponent": 0.5, "steps": 64},
        "cellGap": 1,
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": True},
    },
}


def field(panel: Panel) -> dict[str, Any]:
    """How a panel shows its values."""
    if panel.kind == "heatmap":
        return {}
    if panel.kind == "stat":
        steps = [{"color": colour, "value": value} for colour, value in panel.steps]
        return {
            "unit": panel.unit,
            "color": {"mode": "thresholds"},
            "thresholds": {"mode": "absolute", "steps": steps},
        }
    custom: dict[str, Any] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 60 if panel.is_stacked else 5}
    if panel.is_stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    lowest = {} if panel.lowest is None else {"min": panel.lowest}
    return {"unit": panel.unit, "custom": custom, **lowest}


def plain(legend: str) -> dict[str, Any]:
    """The value of this legend has the colour of text."""
    return {
        "matcher": {"id": "byName", "options": legend},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": "text"}}],
    }
