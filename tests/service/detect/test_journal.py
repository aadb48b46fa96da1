"""The journal: it knows what is done, and survives what can happen to its file."""

from pathlib import Path

import pytest

from service.detect.journal import Journal, JournalError


def line(name: str) -> bytes:
    return b'{"name":"' + name.encode() + b'","detections":[]}\n'


def test_it_knows_the_names_of_its_lines(tmp_path: Path) -> None:
    names = [f"photos/{number}.jpg" for number in range(1000)]
    with Journal(tmp_path / "a.jsonl") as journal:
        assert len(journal) == 0
        assert "photos/1.jpg" not in journal
        journal.append(b"".join(map(line, names)))
    with Journal(tmp_path / "a.jsonl") as journal:
        assert len(journal) == 1000
        assert all(name in journal for name in names)
        assert "photos/1000.jpg" not in journal
        assert [result["name"] for result in journal.results()] == names


def test_escaped_names_are_the_same_names(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"name":"\\u00e4\\"\\udcff","detections":[]}\n')
    with Journal(tmp_path / "a.jsonl") as journal:
        assert 'ä"\udcff' in journal


def test_a_last_line_that_is_cut_short_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line("a") + line("b")[:-1])
    with Journal(path) as journal:
        assert "a" in journal
        assert "b" not in journal
        journal.append(line("c"))
    assert path.read_bytes() == line("a") + line("c")


def test_a_file_of_other_lines_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line("a") + b'{"id": 1}\n')
    with pytest.raises(JournalError, match=f"byte {len(line('a'))} begins no line of this command"):
        Journal(path)
    assert path.read_bytes() == line("a") + b'{"id": 1}\n'


def test_a_second_journal_of_the_same_file_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.jsonl"), pytest.raises(JournalError, match="another run is writing it"):
        Journal(tmp_path / "a.jsonl", is_new=True)
    with Journal(tmp_path / "a.jsonl"):
        pass


def test_a_new_journal_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"anything")
    with Journal(tmp_path / "a.jsonl", is_new=True) as journal:
        assert len(journal) == 0
    assert (tmp_path / "a.jsonl").read_bytes() == b""


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    path.write_text('{"name":"a.jpg"}\n{"name":"b.jpg\n')
    with pytest.raises(JournalError, match="the line at byte 17 is damaged"):
        Journal(path)
    path.write_text('{"name":"a.jpg"}\n{"name":"b.jpg"\n')
    with Journal(path) as journal, pytest.raises(JournalError, match="line 2 is damaged"):
        list(journal.results())
