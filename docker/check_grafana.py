"""Check the dashboards and their provisioning without Grafana; with a Prometheus, check that each query finds data.

- Grafana's own models read and write a dashboard without loss. They drop unknown keys, so a misspelt key is found.
- The dashboard's file is what dashboard.py writes; each panel says what to do when it looks wrong; no panels overlap.
- Each query parses; its data source is provisioned; with a Prometheus it finds data, unless it is about a GPU.

example:
  pip install -r docker/grafana/requirements.txt
  python docker/check_grafana.py docker/grafana http://localhost:9090
"""

import argparse
import json
import runpy
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import requests
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

GPU_METRICS = "DCGM_"  # the prefix of the exporter's metrics, which are absent without an NVIDIA GPU
PATIENCE_SECONDS = 60.0  # a query without data is repeated for this time: a rate needs two scrapes of a new target
INTERVALS = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "15m"}


def main() -> int:
    """Print what is wrong -> the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="the directory with provisioning/ and dashboards/")
    parser.add_argument("prometheus", nargs="?", help="address of a Prometheus that has data (default: do not query)")
    arguments = parser.parse_args()
    plugins.register_default_plugins()
    sources = {
        source["uid"]
        for file in arguments.directory.glob("provisioning/datasources/*.yml")
        for source in yaml.safe_load(file.read_text())["datasources"]
    }
    faults: list[str] = []
    num_queries = 0
    patient_until = time.monotonic() + PATIENCE_SECONDS
    for file in sorted(arguments.directory.glob("dashboards/*.json")):
        raw = json.loads(file.read_text())
        back = json.loads(JSONEncoder().encode(models.Dashboard.from_json(raw)))
        faults += [f"{file.name}: Grafana does not know {path}" for path in lost(raw, back)]
        if raw != runpy.run_path(str(arguments.directory / "dashboard.py"))["dashboard"]():
            faults.append(f"{file.name}: differs from what dashboard.py writes; run dashboard.py")
        faults += layout_faults(raw["panels"])
        for panel, target in targets(raw["panels"]):
            num_queries += 1
            fault = query_fault(target, sources, arguments.prometheus, patient_until)
            faults += [f"{panel['title']}: {fault}"] if fault else []
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{num_queries} queries, {len(faults)} faults")
    return 1 if faults or not num_queries else 0


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The paths of the values that `before` holds and `after` does not."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}.{key}")
            elif value not in (None, {}, [], ""):
                yield f"{path}.{key}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (first, second) in enumerate(zip(before, after, strict=True)):
            yield from lost(first, second, f"{path}[{index}]")
    elif before != after:
        yield path


def layout_faults(panels: list[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with the panels, apart from their queries."""
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        if panel["type"] != "row" and not panel.get("description"):
            yield f"{panel['title']}: no description says what to do when it looks wrong"
        place = panel["gridPos"]
        own = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        if own & cells or place["x"] + place["w"] > 24:
            yield f"{panel['title']}: overlaps another panel or the dashboard's edge"
        cells |= own
    if len({panel["id"] for panel in panels}) < len(panels):
        yield "two panels have the same id"


def targets(panels: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each query with its panel."""
    for panel in panels:
        for target in panel.get("targets", []):
            yield panel, target


def query_fault(target: dict[str, Any], sources: set[str], prometheus: str | None, patient_until: float) -> str | None:
    """What is wrong with a query; None if nothing is. It waits for data until `patient_until` (time.monotonic())."""
    if target["datasource"]["uid"] not in sources:
        return f"no data source {target['datasource']['uid']!r} is provisioned"
    query = target["expr"]
    for name, value in INTERVALS.items():
        query = query.replace(name, value)
    try:
        promql_parser.parse(query)
    except ValueError as error:
        return f"{query}: {error}"
    if prometheus is None or GPU_METRICS in query:
        return None
    while True:
        answer = requests.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=10).json()
        if answer["status"] != "success":
            return f"{query}: {answer['error']}"
        if answer["data"]["result"]:
            return None
        if time.monotonic() > patient_until:
            return f"{query}: no data in {PATIENCE_SECONDS:.0f} s"
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
