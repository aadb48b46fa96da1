"""docker-compose.yml agrees with the server's settings; docker/check_compose.sh tests the rest with real containers."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service import __version__
from service.settings import Settings

ROOT = Path(__file__).parents[2]
# the image sets the first two; the proxy reaches no gRPC, and the others would shut it out, as it speaks HTTP
FIXED = {f"SINGLESHOT_{name}" for name in ("HOST", "PORT", "GRPC_PORT", "UDS")} | {
    f"SINGLESHOT_SSL_{name}" for name in ("CERTFILE", "KEYFILE", "KEYFILE_PASSWORD", "CA_CERTS")
}
NAMES = sorted(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])
NEEDS_MORE = {"gpu-metrics": "its profiling metrics need SYS_ADMIN", "grafana": "it writes to its own file system"}


def read_service(name: str) -> dict[str, Any]:
    """The service of docker-compose.yml, with its anchors resolved and its variables as they are written."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]
    return found


def default_of(text: str) -> str:
    """`4g` of `${SERVER_MEMORY:-4g}`; a text without a variable is its own default."""
    found = re.fullmatch(r"\$\{[A-Z_]+:-(.+)\}", text)
    return found[1] if found else text


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


@pytest.mark.parametrize("service", ["server", "gpu-0", "gpu-1", "gpu-2", "gpu-3"])
def test_replicas_keep_their_engines_and_copies_of_bundles_in_a_volume(service: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    (cache,) = re.findall(r"SINGLESHOT_ENGINE_CACHE=(\S+)", dockerfile)
    assert f"engines:{cache}" in compose["services"][service]["volumes"]
    assert compose["services"][service]["environment"]["SINGLESHOT_ENGINE_CACHE"] == cache
    assert "engines" in compose["volumes"]
    # of both images; else root owns the volume
    assert dockerfile.count(f"install --directory --owner 10001 --group 10001 {cache}\n") == 2


def test_any_number_of_replicas_may_share_a_gpu() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for name, service in compose["services"].items():
        if name.startswith("gpu-"):
            assert "container_name" not in service
            assert "ports" not in service


@pytest.mark.parametrize("name", NAMES)
def test_each_service_has_limits_of_memory_processes_and_log(name: str) -> None:
    service = read_service(name)
    assert re.fullmatch(r"\d+[mg]", default_of(service["mem_limit"]))
    assert int(default_of(service["pids_limit"])) >= 256
    assert service["logging"]["driver"] == "json-file"
    assert re.fullmatch(r"\d+m", default_of(service["logging"]["options"]["max-size"]))
    assert int(default_of(service["logging"]["options"]["max-file"])) > 1
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(set(NAMES) - NEEDS_MORE.keys()))
def test_each_service_that_can_do_without_has_no_capabilities_and_writes_to_no_file_system(name: str) -> None:
    service = read_service(name)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_server_may_take_the_memory_that_its_settings_allow() -> None:
    megabytes = 600 + 2 * Settings.model_fields["max_body_bytes_in_flight"].default / 1e6  # with two streams
    megabytes += 3 * Settings.model_fields["max_pixels_in_flight"].default / 1e6
    assert default_of(read_service("server")["mem_limit"]) == "4g"
    assert megabytes < 4 * 1024


@pytest.mark.parametrize("name", NAMES)
def test_each_image_is_pinned_to_a_patch_version(name: str) -> None:
    service = read_service(name)
    if "build" in service:
        assert service["image"] in ("singleshot:cpu", "singleshot:gpu")
        image = service["build"]["args"]["PYTHON_IMAGE"]
    else:
        image = service["image"]
    assert re.search(r":v?\d+\.\d+\.\d+", default_of(image))


def test_the_dockerfile_and_compose_name_the_same_image_of_python() -> None:
    (image,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    for name in ("server", "gpu-0"):
        assert default_of(read_service(name)["build"]["args"]["PYTHON_IMAGE"]) == image
    assert default_of(read_service("alert-log")["image"]) == image


def test_the_images_are_labelled_with_the_version_of_the_server() -> None:
    assert f"org.opencontainers.image.version={__version__} " in (ROOT / "docker" / "Dockerfile").read_text()


def test_prometheus_finds_the_proxy_with_tls_under_the_name_of_the_other() -> None:
    assert read_service("proxy-tls")["networks"]["default"]["aliases"] == ["proxy"]


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.parametrize("with_certificate", [True, False])
def test_haproxy_takes_both_files_and_wants_a_certificate(tmp_path: Path, with_certificate: bool) -> None:
    proxy = [part for file in ("haproxy.cfg", "tls.cfg") for part in ("-f", str(tmp_path / file))]
    for name in ("haproxy.cfg", "tls.cfg"):
        text = (ROOT / "docker" / name).read_text()
        (tmp_path / name).write_text(text.replace("/certificates/", f"{tmp_path}/certificates/"))
    (tmp_path / "certificates").mkdir()
    if with_certificate:
        certificate = f"{tmp_path}/certificates/door.pem"
        options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
        command = ["openssl", "req", *options, "-keyout", f"{certificate}.key", "-out", certificate]
        subprocess.run(command, check=True, capture_output=True)
    checked = subprocess.run(["haproxy", "-c", *proxy], capture_output=True, text=True, check=False)
    assert (checked.returncode == 0) is with_certificate, checked.stderr
    assert ("no SSL certificate" in checked.stderr) is not with_certificate
