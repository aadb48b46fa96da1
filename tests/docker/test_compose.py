"""docker-compose.yml agrees with the server's settings; docker/check_compose.sh tests the rest with real containers."""

import re
from pathlib import Path

import pytest
import yaml

from service.settings import Settings

ROOT = Path(__file__).parents[2]
FIXED = {"SINGLESHOT_HOST", "SINGLESHOT_PORT"}  # the image sets them


@pytest.mark.parametrize("service", ["server", "gpu-0", "gpu-3"])
def test_every_setting_reaches_the_servers_in_compose(service: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    passed = {name for name in compose["services"][service]["environment"] if name.startswith("SINGLESHOT_")}
    assert passed == {f"SINGLESHOT_{name.upper()}" for name in Settings.model_fields} - FIXED


def test_compose_waits_longer_than_the_server_drains() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    grace_seconds = int(compose["services"]["server"]["stop_grace_period"].removesuffix("s"))
    settings = Settings.model_fields
    assert grace_seconds > settings["drain_grace_seconds"].default + settings["drain_limit_seconds"].default + 5


@pytest.mark.parametrize("service", ["gpu-0", "gpu-1", "gpu-2", "gpu-3"])
def test_replicas_on_gpus_keep_their_engines_in_a_volume(service: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    (cache,) = re.findall(r"SINGLESHOT_ENGINE_CACHE=(\S+)", dockerfile)
    assert f"engines:{cache}" in compose["services"][service]["volumes"]
    assert compose["services"][service]["environment"]["SINGLESHOT_ENGINE_CACHE"] == cache
    assert "engines" in compose["volumes"]
    assert f"install --directory --owner 10001 --group 10001 {cache}\n" in dockerfile  # else root owns the volume


def test_any_number_of_replicas_may_share_a_gpu() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for name, service in compose["services"].items():
        if name.startswith("gpu-"):
            assert "container_name" not in service
            assert "ports" not in service
