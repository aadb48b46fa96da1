"""The API keys of clients."""

import pytest

from deploy.manifests.helm import HelmError
from tests.deploy.chart import Render, environment_of, pod_of


def test_without_keys_the_server_answers_everybody(render: Render) -> None:
    objects = render({})
    assert "SINGLESHOT_API_KEYS_FILE" not in environment_of(objects, "cpu")
    assert not any(kind == "Secret" for kind, _ in objects)


def test_keys_in_the_values_become_a_secret_in_the_form_of_the_server(render: Render) -> None:
    objects = render({"apiKeys": {"clients": {"camera": "6f2a", "dashboard": "91c4"}}})
    secret = objects["Secret", "singleshot-keys"]
    assert secret["stringData"] == {"keys": "camera 6f2a\ndashboard 91c4\n"}
    (volume,) = [volume for volume in pod_of(objects, "cpu")["volumes"] if volume["name"] == "keys"]
    assert volume["secret"]["secretName"] == "singleshot-keys"


def test_the_server_reads_an_existing_secret_from_a_folder_which_kubernetes_renews(render: Render) -> None:
    objects = render({"apiKeys": {"secret": "clients"}})
    assert environment_of(objects, "cpu")["SINGLESHOT_API_KEYS_FILE"] == "/etc/singleshot/keys"
    (container,) = pod_of(objects, "cpu")["containers"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "keys"]
    assert (mount["mountPath"], "subPath" in mount) == ("/etc/singleshot", False)
    assert not any(kind == "Secret" for kind, _ in objects)


def test_keys_from_two_places_are_refused(render: Render) -> None:
    with pytest.raises(HelmError, match="both set: set one of them"):
        render({"apiKeys": {"secret": "clients", "clients": {"camera": "6f2a"}}})


def test_a_name_that_the_server_takes_for_a_comment_is_refused(render: Render) -> None:
    with pytest.raises(HelmError, match="invalid propertyName '#camera'"):
        render({"apiKeys": {"clients": {"#camera": "6f2a"}}})


def test_a_key_with_a_space_is_refused(render: Render) -> None:
    with pytest.raises(HelmError, match="apiKeys/clients/camera"):
        render({"apiKeys": {"clients": {"camera": "6f 2a"}}})
