"""The capacities by the number of cores."""

from pathlib import Path

import pytest

from comparison.peers import choose
from comparison.scaling import Cell, Way, groups_of, main, table_of, ways_of


def test_servers_that_start_at_once_share_no_core() -> None:
    groups = groups_of([1, 2, 4, 8, 16], list(range(16)))
    assert groups == [[list(range(16))], [list(range(8)), [8, 9, 10, 11], [12, 13], [14]]]


def test_a_way_of_several_processes_divides_the_cores_among_them() -> None:
    way = Way("ours", choose("singleshot")[0], 4)
    assert way.parts(list(range(8))) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert way.parts([0, 1, 2, 3]) == way.parts([0, 1]) == way.parts(list(range(6))) == []


def test_fastapi_runs_in_both_settings_and_mosec_with_batches_of_8() -> None:
    names = [way.name for way in ways_of(choose("singleshot,fastapi,mosec"))]
    assert names == [
        "singleshot",
        "singleshot, a process for every 4 cores",
        "fastapi, a process for each core, whose event loop computes",
        "fastapi, one process, a thread for each core computes",
        "mosec, batches of at most 8",
    ]


def test_the_table_has_a_dash_if_a_server_was_not_measured() -> None:
    (peer,) = choose("singleshot")
    one, several = Way("one", peer), Way("several", peer, 4)
    cells = [Cell(one, [0], rates=[10.0, 30.0, 20.0]), Cell(several, list(range(8)), rates=[70.0])]
    assert table_of(cells).splitlines() == [
        "| answers a second on | 1 core | 8 cores |",
        "| --- | ---: | ---: |",
        "| one | 20 (10–30) | – |",
        "| several | – | 70 (70–70) |",
    ]


def test_a_number_of_cores_that_the_machine_does_not_have_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image is read")
    assert main(["--images", str(tmp_path), "--cores", "4096"]) == 1
    assert "--cores should be from 1 to" in capsys.readouterr().err
