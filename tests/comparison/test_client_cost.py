"""The costs of the clients."""

import pytest

from comparison.client_cost import main


def test_the_table_has_each_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pictures", "10", "--runs", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].split("`")[1] for line in lines[2:]] == [
        "httpx.Client.post",
        "Client.detect",
        "Client.detect_many",
        "httpx.AsyncClient.post",
        "AsyncClient.detect_many",
        "python -m service.benchmark",
    ]
    assert all(float(line.split("|")[2]) > 0 for line in lines[2:])
