"""Check the dashboards and their provisioning without Grafana; with a Prometheus, check that each query finds data.

- Grafana's own models read and write a dashboard without loss. They drop unknown keys, so a misspelt key is found.
- The dashboard's file is what the package dashboard writes; each panel says what to do when it looks wrong; no panels
  overlap.
- Each query of a panel, of an annotation and of a variable parses; its data source is provisioned; with a Prometheus it
  finds data, unless it is about a GPU. Variables stand for all their values.

example:
  pip install -r docker/grafana/requirements.txt
  python docker/check_grafana.py docker/grafana http://localhost:9090
"""

import argparse
import importlib
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import promql_parser
    import requests
    import yaml
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import dashboard as models
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed; run `pip install -r docker/grafana/requirements.txt`")

GPU_METRICS = "DCGM_"  # the prefix of the exporter's metrics, which are absent without an NVIDIA GPU
PATIENCE_SECONDS = 60.0  # a query without data is repeated for this time: a rate needs two scrapes of a new target
INTERVALS = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "15m"}
ALL = ".*"  # what a variable stands for if all its values are chosen
PLUGIN_KEYS = re.compile(r"\.annotations\.list\[\d+\]\.titleFormat")  # of Prometheus' plugin; Grafana's model has none


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
        faults += [
            f"{file.name}: Grafana does not know {path}" for path in lost(raw, back) if not PLUGIN_KEYS.fullmatch(path)
        ]
        if raw != written(arguments.directory):
            faults.append(f"{file.name}: differs from what the package writes; run python -m dashboard")
        faults += layout_faults(raw["panels"])
        for title, source, query in queries(raw):
            num_queries += 1
            fault = query_fault(query, source, sources, arguments.prometheus, patient_until)
            faults += [f"{title}: {fault}"] if fault else []
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


def written(directory: Path) -> dict[str, Any]:
    """The dashboard that the package in `directory` makes."""
    sys.path.insert(0, str(directory))
    made: dict[str, Any] = importlib.import_module("dashboard").dashboard()
    return made


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each query of the panels, the annotations and the variables: where it is, the uid of its source, and PromQL."""
    variables = dashboard["templating"]["list"]

    def filled(query: str) -> str:
        for name, value in INTERVALS.items():
            query = query.replace(name, value)
        for variable in variables:
            query = re.sub(rf"\${variable['name']}\b", ALL, query)
        return query

    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["datasource"]["uid"], filled(target["expr"])
    for annotation in dashboard["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["datasource"]["uid"], filled(annotation["expr"])
    for variable in variables:
        values = re.fullmatch(r"label_values\((.*), (\w+)\)", filled(variable["query"]["query"]))
        assert values, f"variable {variable['name']}: {variable['query']} is not label_values(METRIC, LABEL)"
        series, label = values.groups()
        yield f"variable {variable['name']}", variable["datasource"]["uid"], f"count by ({label}) ({series})"


def query_fault(query: str, source: str, sources: set[str], prometheus: str | None, patient_until: float) -> str | None:
    """What is wrong with a query; None if nothing is. It waits for data until `patient_until` (time.monotonic())."""
    if source not in sources:
        return f"no data source {source!r} is provisioned"
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
