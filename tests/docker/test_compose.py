"""docker-compose.yml agrees with the server's settings; docker/check_compose.sh tests the rest with real containers."""

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
