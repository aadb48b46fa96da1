"""Answer the autoscaler's custom metrics API from Prometheus, with the queries that prometheus-adapter is given.

python3 deploy/check/custom_metrics.py ADDRESS CERTIFICATE KEY RULES PROMETHEUS API TOKEN

RULES is the file of values for prometheus-adapter's chart. This is the part of prometheus-adapter that an autoscaler
on a metric of pods needs. A pod of which Prometheus knows no value is left out of the answer.
"""

import json
import ssl
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

VERSION = "custom.metrics.k8s.io/v1beta1"
PORT = 8443


@dataclass(frozen=True)
class Sources:
    """The queries by the names of their metrics, and where Prometheus and the API server are."""

    queries: dict[str, str]
    prometheus: str
    api: str
    token: str


def read_queries(file: Path) -> dict[str, str]:
    """The custom rules of a file of values for prometheus-adapter: names of metrics -> templates of queries."""
    rules = yaml.safe_load(file.read_text())["rules"]["custom"]
    return {rule["name"]["as"]: rule["metricsQuery"] for rule in rules}


def pods(sources: Sources, namespace: str, selector: str) -> list[str]:
    """The names of the pods that the labels select."""
    query = urllib.parse.urlencode({"labelSelector": selector})
    request = urllib.request.Request(
        f"{sources.api}/api/v1/namespaces/{namespace}/pods?{query}",
        headers={"Authorization": f"Bearer {sources.token}"},
    )
    with urllib.request.urlopen(request, timeout=5, context=ssl._create_unverified_context()) as answer:
        return [item["metadata"]["name"] for item in json.load(answer)["items"]]


def values(sources: Sources, namespace: str, names: list[str], metric: str) -> dict[str, float]:
    """The present values of a metric of these pods, by pod."""
    matchers = f'namespace="{namespace}",pod=~"{"|".join(names)}"'
    query = sources.queries[metric].replace("<<.LabelMatchers>>", matchers).replace("<<.GroupBy>>", "pod")
    url = f"{sources.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        result = json.load(answer)["data"]["result"]
    return {sample["metric"]["pod"]: float(sample["value"][1]) for sample in result}


def metric_list(sources: Sources, namespace: str, metric: str, selector: str) -> dict[str, Any]:
    """A MetricValueList: the value of each selected pod, in thousandths."""
    found = values(sources, namespace, pods(sources, namespace, selector), metric)
    print(metric, {pod: round(value, 3) for pod, value in found.items()}, flush=True)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "kind": "MetricValueList",
        "apiVersion": VERSION,
        "metadata": {},
        "items": [
            {
                "describedObject": {"kind": "Pod", "namespace": namespace, "name": pod, "apiVersion": "/v1"},
                "metricName": metric,
                "timestamp": now,
                "value": f"{round(1000 * value)}m",
            }
            for pod, value in found.items()
        ],
    }


def resource_list(sources: Sources) -> dict[str, Any]:
    """The API's own description, which the API server asks for."""
    resources = [
        {"name": f"pods/{name}", "namespaced": True, "kind": "MetricValueList", "verbs": ["get"]}
        for name in sources.queries
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": VERSION, "resources": resources}


class Handler(BaseHTTPRequestHandler):
    """Answers /apis/VERSION and /apis/VERSION/namespaces/NAMESPACE/pods/*/METRIC?labelSelector=LABELS."""

    sources: Sources

    def do_GET(self) -> None:
        url = urllib.parse.urlparse(urllib.parse.unquote(self.path))
        match url.path.removeprefix(f"/apis/{VERSION}").split("/"):
            case [""]:
                self.answer(200, resource_list(self.sources))
            case ["", "namespaces", namespace, "pods", "*", metric] if metric in self.sources.queries:
                selector = urllib.parse.parse_qs(url.query).get("labelSelector", [""])[0]
                self.answer(200, metric_list(self.sources, namespace, metric, selector))
            case _:
                self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    def answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of requests: metric_list prints what it answers."""


def main() -> None:
    """Serve over TLS until killed."""
    address, certificate, key, rules, *places = sys.argv[1:]
    Handler.sources = Sources(read_queries(Path(rules)), *places)
    server = ThreadingHTTPServer((address, PORT), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
