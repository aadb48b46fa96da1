"""The program that compute-sanitizer watches."""

from pathlib import Path

import pytest

from comparison.gpu.step import SkippedError
from comparison.gpu.steps import sanitizer


def test_the_program_for_compute_sanitizer_compiles(tmp_path: Path) -> None:
    try:
        sanitizer.find("nvcc")
    except SkippedError:
        pytest.skip("needs nvcc")
    assert sanitizer.build(tmp_path / "sanitize", "sm_90").stat().st_size > 0
