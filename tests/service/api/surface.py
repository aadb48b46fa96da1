"""The public surface of the server: its OpenAPI document without prose, and its metrics.

openapi.json and metrics.json beside this module record the surface that clients and dashboards rely on, and
test_surface.py compares the server with them. If you change the surface on purpose, rewrite both files and commit them:

    python -m tests.service.api.surface
"""

import argparse
import difflib
import json
import tempfile
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, settings
from tests.tiny_bundle import write_tiny_bundle

FOLDER = Path(__file__).parent
COMMAND = "python -m tests.service.api.surface"
PROSE = frozenset(["description", "summary", "title"])
EXAMPLES = frozenset(["example", "examples"])


def surface_of(bundle: Bundle) -> dict[str, Any]:
    """The surface of a server of `bundle`, by the names of the files that hold it."""
    limits = settings(bundle.path, model_control=True, rate_limit=1e-3, rate_burst=2)
    app = create_app(limits)
    app.state.server.metrics.engine_builds.labels("tiny", "built")  # only a machine with a GPU builds engines
    app.state.server.metrics.engine_build_progress.labels("tiny")
    with AsgiClient(app) as client:
        document = client.get("/openapi.json").json()
        # the metrics with labels have no samples until these have happened: detections, a loaded model, a rejection
        assert client.post("/detect", content=GOLDEN).status_code == 200
        assert client.post("/v2/repository/models/tiny/load").status_code == 200
        assert client.post("/detect", content=GOLDEN).status_code == 429
        metrics = client.get("/metrics").text
    return {"openapi.json": interface_of(document), "metrics.json": metrics_of(metrics)}


def interface_of(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document without its prose and without the server's version."""
    info = {name: value for name, value in document["info"].items() if name != "version"}
    interface: dict[str, Any] = _without_prose({**document, "info": info})
    return interface


def _without_prose(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_prose(item) for item in part]
    if isinstance(part, dict):  # a schema may have a property of the name `title`, whose value is a dict
        return {
            name: _without_prose(value)
            for name, value in part.items()
            if not (name in PROSE and isinstance(value, str)) and name not in EXAMPLES
        }
    return part


def metrics_of(text: str) -> dict[str, str]:
    """Prometheus' text format -> each metric's type and the names of its labels, such as "counter by label, model"."""
    metrics = {}
    for family in text_string_to_metric_families(text):
        if family.name.endswith("_created"):  # prometheus_client adds these to each counter and histogram
            continue
        assert family.samples, f"{family.name} has no sample, so its labels are unknown; cause one in surface_of"
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        metrics[name] = f"{family.type} by {', '.join(labels)}" if labels else family.type
    return metrics


def text_of(surface: Any) -> str:
    """A part of the surface as its file holds it."""
    return json.dumps(surface, indent=1, sort_keys=True) + "\n"


def differences(file_name: str, surface: Any) -> str:
    """The differences between the file and `surface`, as a diff; empty if there are none."""
    expected = (FOLDER / file_name).read_text().splitlines()
    return "\n".join(
        difflib.unified_diff(expected, text_of(surface).splitlines(), file_name, "the server", lineterm="")
    )


def main() -> None:
    """Rewrite the files."""
    argparse.ArgumentParser(
        prog="python -m tests.service.api.surface",
        description="Rewrite the files that record the HTTP interface and the metrics; `git diff` shows the changes.",
    ).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for file_name, surface in surface_of(write_tiny_bundle(Path(folder) / "tiny")).items():
            (FOLDER / file_name).write_text(text_of(surface))
            print(FOLDER / file_name)


if __name__ == "__main__":
    main()
