"""deploy/kubernetes/train-job.yaml: its numbers and names fit each other."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.check.train_job import single

FILE = Path(__file__).parents[2] / "deploy" / "kubernetes" / "train-job.yaml"


@pytest.fixture
def objects() -> dict[str, Any]:
    """The objects of the file by kind."""
    return {item["kind"]: item for item in yaml.safe_load_all(FILE.read_text())}


def options(job: dict[str, Any]) -> dict[str, str]:
    """The options of torchrun."""
    [container] = job["spec"]["template"]["spec"]["containers"]
    return dict(text.removeprefix("--").split("=") for text in container["args"] if "=" in text)


def test_torchrun_waits_for_as_many_pods_as_run(objects: dict[str, Any]) -> None:
    job = objects["Job"]
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == int(options(job)["nnodes"])


def test_each_pod_starts_as_many_processes_as_it_has_gpus(objects: dict[str, Any]) -> None:
    job = objects["Job"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == int(options(job)["nproc-per-node"])


def test_the_pods_meet_at_the_first_one_by_the_name_that_the_service_gives(objects: dict[str, Any]) -> None:
    job, service = objects["Job"], objects["Service"]
    template, [port] = job["spec"]["template"], service["spec"]["ports"]
    assert template["spec"]["subdomain"] == service["metadata"]["name"]
    assert template["metadata"]["labels"].items() >= service["spec"]["selector"].items()
    first = f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert options(job)["rdzv-endpoint"] == f"{first}:{port['port']}"


def test_a_pod_starts_again_and_continues_its_run(objects: dict[str, Any]) -> None:
    assert objects["Job"]["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert "--resume" in objects["ConfigMap"]["data"]["train.sh"]


def test_the_check_of_a_cluster_changes_only_what_the_cluster_has_not(objects: dict[str, Any]) -> None:
    whole, part = objects["Job"], single(objects["Job"], 1)
    assert part["spec"]["template"]["spec"].pop("hostname") == part["metadata"]["name"] == "train-1"
    [container] = part["spec"]["template"]["spec"]["containers"]
    [original] = whole["spec"]["template"]["spec"]["containers"]
    assert container | {"resources": original["resources"], "env": None} == original | {"env": None}
