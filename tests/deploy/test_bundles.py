"""Where the servers find their bundles, and who brings them there."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.manifests.helm import HelmError
from tests.deploy.chart import Manifest, Objects, Render, environment_of, pod_of


def mounts_of(objects: Objects) -> dict[str, Manifest]:
    """The mounts of the server on CPUs by their paths."""
    (container,) = pod_of(objects, "cpu")["containers"]
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def volume_of(objects: Objects, path: str) -> Manifest:
    """The volume that the server on CPUs has at that path."""
    volumes = {volume["name"]: volume for volume in pod_of(objects, "cpu")["volumes"]}
    found: Manifest = volumes[mounts_of(objects)[path]["name"]]
    return found


def test_without_bundles_the_server_serves_the_one_of_its_image(render: Render) -> None:
    objects = render({})
    assert "SINGLESHOT_BUNDLES" not in environment_of(objects, "cpu")
    assert "initContainers" not in pod_of(objects, "cpu")


def test_a_claim_is_mounted_whole_and_once_so_that_replaced_folders_are_seen(render: Render) -> None:
    bundles = [{"name": "a", "claim": "models", "path": "/a/new/"}, {"name": "b", "claim": "models"}]
    objects = render({"bundles": bundles})
    assert environment_of(objects, "cpu")["SINGLESHOT_BUNDLES"] == "/claims/models/a/new:/claims/models"
    assert volume_of(objects, "/claims/models")["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    mount = mounts_of(objects)["/claims/models"]
    assert mount["readOnly"] is True
    assert "subPath" not in mount
    assert len(pod_of(objects, "cpu")["volumes"]) == 2  # and /tmp


def test_a_container_fetches_a_bundle_with_the_credentials_of_a_secret(render: Render) -> None:
    bundle = {"name": "cells", "url": "s3://models/cells"}
    values = {"bundles": [bundle], "fetch": {"secret": "bucket"}, "env": {"AWS_REGION": "eu-central-1"}}
    objects = render(values)
    (fetch,) = pod_of(objects, "cpu")["initContainers"]
    assert fetch["command"] == ["python", "-m", "service.fetch", "s3://models/cells", "--out", "/bundles/cells"]
    assert fetch["image"] == "singleshot:cpu"
    assert fetch["envFrom"] == [{"secretRef": {"name": "bucket"}}]
    assert fetch["env"] == [{"name": "AWS_REGION", "value": "eu-central-1"}]
    assert environment_of(objects, "cpu")["SINGLESHOT_BUNDLES"] == "/bundles/cells"
    assert "emptyDir" in volume_of(objects, "/bundles")
    (server,) = pod_of(objects, "cpu")["containers"]
    assert "envFrom" not in server


@pytest.mark.parametrize(
    ("version", "mode", "is_mounted"),
    [("1.34.0", "auto", False), ("1.35.0", "auto", True), ("1.34.0", "always", True), ("1.35.0", "never", False)],
)
def test_an_image_with_a_bundle_is_mounted_or_copied(render: Render, version: str, mode: str, is_mounted: bool) -> None:
    bundle = {"name": "cells", "image": "registry/bundles:1", "path": "/cells"}
    objects = render({"bundles": [bundle], "imageVolumes": mode}, version=version)
    if is_mounted:
        assert environment_of(objects, "cpu")["SINGLESHOT_BUNDLES"] == "/images/cells"
        assert volume_of(objects, "/images/cells")["image"]["reference"] == "registry/bundles:1"
        assert mounts_of(objects)["/images/cells"]["subPath"] == "cells"
    else:
        assert environment_of(objects, "cpu")["SINGLESHOT_BUNDLES"] == "/bundles/cells"
        (copy,) = pod_of(objects, "cpu")["initContainers"]
        assert (copy["image"], copy["command"]) == ("registry/bundles:1", ["cp", "-r", "/cells/.", "/bundles/cells"])


def test_a_container_that_copies_a_bundle_may_start_again(render: Render, tmp_path: Path) -> None:
    bundle = {"name": "cells", "image": "registry/bundles:1", "path": f"{tmp_path}/image/"}
    (copy,) = pod_of(render({"bundles": [bundle]}, version="1.34.0"), "cpu")["initContainers"]
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "manifest.json").write_text("new")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "manifest.json").write_text("cut sh")
    subprocess.run([*copy["command"][:-1], tmp_path / "copy"], check=True)
    assert [(path.name, path.read_text()) for path in (tmp_path / "copy").iterdir()] == [("manifest.json", "new")]


def test_a_container_copies_no_whole_image(render: Render) -> None:
    bundle = {"name": "cells", "image": "registry/bundles:1"}
    with pytest.raises(HelmError, match="the bundle cells needs a path"):
        render({"bundles": [bundle]}, version="1.34.0")
    assert "subPath" not in mounts_of(render({"bundles": [bundle]}, version="1.35.0"))["/images/cells"]


def test_a_canary_gets_its_share(render: Render) -> None:
    bundles = [{"name": "a", "claim": "models"}, {"name": "b", "url": "https://example.org/b", "canary": True}]
    environment = environment_of(render({"bundles": bundles, "canaryShare": 0.05}), "cpu")
    assert environment["SINGLESHOT_BUNDLES"] == "/claims/models"
    assert environment["SINGLESHOT_CANARIES"] == "/bundles/b"
    assert environment["SINGLESHOT_CANARY_SHARE"] == "0.05"


def test_without_a_canary_the_server_gets_no_share(render: Render) -> None:
    environment = environment_of(render({"bundles": [{"name": "a", "claim": "models"}]}), "cpu")
    assert not {"SINGLESHOT_CANARIES", "SINGLESHOT_CANARY_SHARE"} & environment.keys()


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        ({"name": "a", "url": "s3://a", "canary": True}, "only canaries"),
        ({"name": "a"}, "bundles/0"),
        ({"name": "a", "url": "s3://a", "claim": "models"}, "bundles/0"),
        ({"name": "a", "url": "s3://a", "path": "b"}, "bundles/0"),
        ({"name": "a", "url": "/a"}, "bundles/0/url"),
        ({"name": "A b", "claim": "models"}, "bundles/0/name"),
        ({"name": "a", "claim": "models", "path": "a:b"}, "bundles/0/path"),
    ],
)
def test_a_bundle_that_makes_no_sense_is_refused(render: Render, bundle: dict[str, Any], reason: str) -> None:
    with pytest.raises(HelmError, match=reason):
        render({"bundles": [bundle]})


def test_two_bundles_of_one_name_are_refused(render: Render) -> None:
    with pytest.raises(HelmError, match="two bundles are named a"):
        render({"bundles": [{"name": "a", "claim": "models"}, {"name": "a", "url": "s3://a"}]})
