"""How many connections the files of the process allow."""

from service.transport.open_files import max_connections
from tests.service.served_app import settings

MANY = 10**6


def test_the_setting_counts_if_there_are_enough_files() -> None:
    assert (
        max_connections(settings(max_connections=2)) == max_connections(settings(max_connections=2, grpc_port=0)) == 2
    )


def test_two_ports_share_the_files() -> None:
    one, each = (
        max_connections(settings(max_connections=MANY)),
        max_connections(settings(max_connections=MANY, grpc_port=0)),
    )
    assert one < MANY
    assert each == one // 2
