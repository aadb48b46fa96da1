"""How many cores the server may use, and whether they have matrix units."""

from pathlib import Path

import pytest

from service.cores import has_amx, has_vnni, num_cores


@pytest.mark.parametrize(("limit", "cores"), [("100000 100000", 1), ("50000 100000", 1)])
def test_a_container_s_limit_bounds_the_number_of_cores(tmp_path: Path, limit: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert num_cores(tmp_path / "cpu.max") == cores


@pytest.mark.parametrize("limit", ["max 100000", "100000000 100000", "strange"])
def test_no_limit_means_all_cores(tmp_path: Path, limit: str) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert num_cores(tmp_path / "cpu.max") == num_cores(tmp_path / "none") >= 1


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx512f amx_bf16 amx_tile", True), ("fpu avx512f avx512_bf16", False)]
)
def test_matrix_units_are_found_among_the_processors_flags(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert has_amx(tmp_path / "cpuinfo") is expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx512f avx512_vnni", True), ("fpu avx2 avx_vnni", True), ("fpu avx2 avx512f", False)],
)
def test_exact_sums_of_int8_are_found_among_the_processors_flags(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert has_vnni(tmp_path / "cpuinfo") is expected


def test_without_a_list_of_flags_there_are_no_matrix_units_and_no_exact_sums(tmp_path: Path) -> None:
    assert not has_amx(tmp_path / "none")
    assert not has_vnni(tmp_path / "none")
