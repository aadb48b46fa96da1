"""The autoscalers: Kubernetes' own with prometheus-adapter, or KEDA; both ask Prometheus the same."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.manifests.helm import HelmError
from tests.deploy.chart import ROOT, Objects, Render

ADAPTER = yaml.safe_load((ROOT / "deploy" / "helm" / "prometheus-adapter.yaml").read_text())
QUERIES = {rule["name"]["as"]: rule["metricsQuery"] for rule in ADAPTER["rules"]["custom"]}
METRICS = {"utilisation": "singleshot_engine_utilisation", "queue": "singleshot_queue_seconds"}
PODS = 'namespace="vision", pod=~"singleshot-cpu-[^-]+(-[^-]+)?"'


def scalers(objects: Objects) -> set[tuple[str, str]]:
    return {key for key in objects if key[0] in ("HorizontalPodAutoscaler", "ScaledObject")}


def autoscale(render: Render, **values: Any) -> Objects:
    return render({"cpu": {"autoscaling": values}})


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject"])
def test_an_autoscaler_sets_the_number_of_replicas_instead_of_the_chart(render: Render, kind: str) -> None:
    by = "hpa" if kind == "HorizontalPodAutoscaler" else "keda"
    objects = autoscale(render, by=by, minReplicas=3, maxReplicas=9)
    assert scalers(objects) == {(kind, "singleshot-cpu")}
    scaler = objects[kind, "singleshot-cpu"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == "singleshot-cpu"
    assert scaler.get("minReplicas", scaler.get("minReplicaCount")) == 3
    assert scaler.get("maxReplicas", scaler.get("maxReplicaCount")) == 9
    assert "replicas" not in objects["Deployment", "singleshot-cpu"]["spec"]


def test_without_an_autoscaler_the_chart_sets_the_number_of_replicas(render: Render) -> None:
    objects = render({"cpu": {"replicas": 5}})
    assert scalers(objects) == set()
    assert objects["Deployment", "singleshot-cpu"]["spec"]["replicas"] == 5


@pytest.mark.parametrize(
    ("pod", "is_own"),
    [
        ("singleshot-cpu-6d4cf56db6-x2x9z", True),
        ("singleshot-cpu-6d4cx2x9z", True),  # Kubernetes shortens a long name so
        ("singleshot-cpu-test-cpu-6d4cf56db6-x2x9z", False),  # of a release singleshot-cpu-test
        ("singleshot-cpu-test-proxy-6d4cf56db6-x2x9z", False),
    ],
)
def test_keda_asks_for_the_pods_of_its_own_release(render: Render, pod: str, is_own: bool) -> None:
    (trigger,) = autoscale(render, by="keda")["ScaledObject", "singleshot-cpu"]["spec"]["triggers"]
    (names,) = set(re.findall(r'pod=~"(.*?)"', trigger["metadata"]["query"]))
    assert (re.fullmatch(names, pod) is not None) == is_own


def test_each_kind_of_servers_may_have_another_autoscaler(render: Render) -> None:
    objects = render({"cpu": {"autoscaling": {"by": "hpa"}}, "gpu": {"enabled": True, "autoscaling": {"by": "keda"}}})
    assert scalers(objects) == {("HorizontalPodAutoscaler", "singleshot-cpu"), ("ScaledObject", "singleshot-gpu")}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"by": "hpa,keda"}, "'none', 'hpa', 'keda'"),
        ({"by": "hpa", "minReplicas": 5, "maxReplicas": 4}, "minReplicas is larger than maxReplicas"),
        ({"by": "hpa", "minReplicas": 0}, "minReplicas"),
        ({"by": "hpa", "target": 0}, "target"),
    ],
)
def test_an_autoscaler_that_makes_no_sense_is_refused(render: Render, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(HelmError, match=reason):
        autoscale(render, **values)


def keda_query(render: Render, metric: str) -> dict[str, str]:
    """What KEDA's trigger asks Prometheus."""
    (trigger,) = autoscale(render, by="keda", metric=metric, target=0.25)["ScaledObject", "singleshot-cpu"]["spec"][
        "triggers"
    ]
    assert trigger["metricType"] == "AverageValue"
    found: dict[str, str] = trigger["metadata"]
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_kubernetes_and_keda_ask_for_the_same(render: Render, metric: str) -> None:
    objects = autoscale(render, by="hpa", metric=metric, target=0.25)
    (entry,) = objects["HorizontalPodAutoscaler", "singleshot-cpu"]["spec"]["metrics"]
    assert entry["pods"]["metric"]["name"] == METRICS[metric]
    assert entry["pods"]["target"] == {"type": "AverageValue", "averageValue": "0.25"}
    query = QUERIES[METRICS[metric]].replace("<<.LabelMatchers>>", PODS).replace("<<.GroupBy>>", "pod")
    asked = keda_query(render, metric)
    assert asked["query"].split() == f"sum({query})".split()
    assert asked["threshold"] == "0.25"


def series(pod: str, name: str, labels: str, values: str) -> dict[str, str]:
    """A series of a pod of the release, as promtool's tests write it."""
    place = f'namespace="vision", pod="singleshot-cpu-{pod}"'
    return {"series": f"singleshot_{name}{{{place}, {labels}}}", "values": values}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool, of Prometheus, is not installed")
@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("utilisation", 3 / 4 + 2 / 4),  # the first keeps one and two of its four streams busy, the second two
        ("queue", 0.2 + 0),  # the second has no images
    ],
)
def test_keda_learns_the_sum_over_two_replicas(render: Render, tmp_path: Path, metric: str, value: float) -> None:
    elsewhere = series("1", "worker_busy_seconds_total", 'model="a"', "0+240x10")
    test = {
        "interval": "1m",
        "input_series": [
            series("1", "worker_busy_seconds_total", 'model="a"', "0+60x10"),
            series("1", "worker_busy_seconds_total", 'model="b"', "0+120x10"),
            series("2", "worker_busy_seconds_total", 'model="a"', "0+120x10"),
            {**elsewhere, "series": elsewhere["series"].replace("vision", "elsewhere")},
            series("1", "engine_streams", 'model="a"', "4x10"),
            series("1", "engine_streams", 'model="b"', "4x10"),
            series("2", "engine_streams", 'model="a"', "4x10"),
            series("1", "stage_duration_seconds_sum", 'stage="queue"', "0+6x10"),
            series("1", "stage_duration_seconds_count", 'stage="queue"', "0+30x10"),
            series("2", "stage_duration_seconds_sum", 'stage="queue"', "9x10"),
            series("2", "stage_duration_seconds_count", 'stage="queue"', "9x10"),
            series("2", "stage_duration_seconds_sum", 'stage="infer"', "0+60x10"),
        ],
        "promql_expr_test": [
            {
                "expr": keda_query(render, metric)["query"],
                "eval_time": "5m",
                "exp_samples": [{"labels": "{}", "value": value}],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"tests": [test], "evaluation_interval": "1m"}))
    tested = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr
