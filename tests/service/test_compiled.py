"""Numba's cache may be full, unwritable or damaged: the function is compiled all the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALL = """
import logging, sys
from service.detection.soft_nms import soft_nms
import numpy as np

if "full" in sys.argv:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # a write fails with an OSError, as on a full disk
logging.basicConfig(format="%(message)s")
boxes = np.array([[0, 0, 8, 8], [0, 0, 8, 8.5]], np.float32)
for _ in range(2):
    kept, _ = soft_nms(boxes, np.array([0.5, 0.9], np.float32), np.zeros(2, np.int32), method="hard", sigma=0.5,
                       iou_threshold=0.5, score_threshold=0.1, max_detections=9)
    print(kept.tolist())
"""


def call(cache: Path | str, *arguments: str, **variables: str) -> list[str]:
    """Run soft-NMS twice in a process of its own -> its warnings."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **variables}
    command = [sys.executable, "-c", CALL, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[1]\n[1]\n"), done.stderr
    return done.stderr.splitlines()


def test_a_writable_cache_is_used_without_a_warning(tmp_path: Path) -> None:
    assert call(tmp_path) == []
    assert list(tmp_path.rglob("*.nbi"))


@pytest.mark.parametrize("kind", ["full", "damaged"])
def test_a_cache_that_cannot_be_used_costs_one_warning(tmp_path: Path, kind: str) -> None:
    cache = tmp_path / "cache"
    if kind == "damaged":
        call(cache)
        for index in cache.rglob("*.nbi"):
            index.write_bytes(index.read_bytes()[:40])
    (warning,) = call(cache, kind)
    assert "Numba's cache cannot be used" in warning
    assert "set NUMBA_CACHE_DIR to a writable directory" in warning


def test_a_cache_that_is_no_directory_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert len(call(tmp_path / "file")) <= 1  # Numba may find another directory
