"""Misspelt settings, and Kubernetes' variables for Services."""

import pytest

from service.environment import EnvironmentVariableError, check_environment, is_service_link, service_links


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SINGLESHOT_PORT", "tcp://10.0.0.1:8000"),
        ("SINGLESHOT_PORT", "tcp://[fd00::1]:8000"),
        ("SINGLESHOT_SERVICE_HOST", "10.96.0.12"),
        ("SINGLESHOT_SERVICE_HOST", "fd00::1"),
        ("SINGLESHOT_SERVICE_PORT", "8000"),
        ("SINGLESHOT_SERVICE_PORT_HTTP", "8000"),
        ("SINGLESHOT_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("SINGLESHOT_PORT_8000_TCP_PROTO", "tcp"),
        ("SINGLESHOT_PORT_8000_TCP_PORT", "8000"),
        ("SINGLESHOT_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("SINGLESHOT_PORT_53_UDP", "udp://10.0.0.1:53"),
        ("SINGLESHOT_PROXY_PORT", "tcp://10.0.0.1:80"),
        ("SINGLESHOT_METRICS_SERVICE_HOST", "10.0.0.2"),
        ("SINGLESHOT_MY_PROXY_PORT_80_TCP_ADDR", "10.0.0.2"),
    ],
)
def test_a_service_link_is_known_by_its_name_and_value(name: str, value: str) -> None:
    assert is_service_link(name, value)
    check_environment({name: value}, ["port"])
    assert service_links({name: value, "PATH": "/bin"}) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SINGLESHOT_PORT", "8000"),
        ("SINGLESHOT_PORTS", "tcp://10.0.0.1:8000"),
        ("SINGLESHOT_PORT_8000_TCP_ADRR", "10.0.0.1"),
        ("SINGLESHOT_SERVICE_PORT", "http"),
        ("SINGLESHOT_HOST", "10.0.0.1"),
        ("SINGLESHOTS_SERVICE_PORT", "1"),
    ],
)
def test_other_variables_are_no_service_links(name: str, value: str) -> None:
    assert not is_service_link(name, value)


def test_each_misspelt_setting_is_named_with_the_nearest_one() -> None:
    wrong = {"SINGLESHOT_MAX_BATHC": "1", "SINGLESHOT_QQQQ": "", "SINGLESHOTS": "", "OTHER": "", "SINGLESHOT_HOST": "h"}
    with pytest.raises(EnvironmentVariableError) as caught:
        check_environment(wrong, ["max_batch", "host"])
    assert str(caught.value) == (
        "SINGLESHOT_MAX_BATHC is no setting: is SINGLESHOT_MAX_BATCH meant?; "
        "SINGLESHOT_QQQQ is no setting: remove it; docs/operating.md lists the settings"
    )


@pytest.mark.parametrize("name", ["API_KEYS_FILE", "SSL_CERTFILE", "SSL_CA_CERTS"])
def test_an_empty_variable_never_opens_a_protected_server(name: str) -> None:
    with pytest.raises(EnvironmentVariableError, match=f"SINGLESHOT_{name} is empty: set it to a file, or remove it"):
        check_environment({f"SINGLESHOT_{name}": ""}, [name.lower()])
