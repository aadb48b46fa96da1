"""The cache of engines: whole files only, one build at a time."""

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from service.bundle import EngineFile
from service.engines.tensorrt import cache as cache_module
from service.engines.tensorrt.cache import EngineCache, EngineKey

FILE = EngineFile(flavour="tensorrt", version="10.13.3.9", compute_capability="sm_89", precision="fp16", max_batch=8)
KEY = EngineKey("0" * 64, FILE)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def test_an_engine_is_found_by_its_key_and_sha256sum_can_check_it(cache: EngineCache) -> None:
    assert cache.find(KEY) is None  # the directory does not exist yet
    path = cache.add(KEY, b"engine")
    assert cache.find(KEY) == path
    assert path.read_bytes() == b"engine"
    subprocess.run(["sha256sum", "--check", "--status", f"{path.name}.sha256"], cwd=cache.path, check=True)


@pytest.mark.parametrize(
    "change",
    [
        {"flavour": "tensorrt_rtx"},
        {"version": "10.14.1.48"},
        {"compute_capability": "sm_90"},
        {"precision": "fp32"},
        {"max_batch": 16},
    ],
)
def test_an_engine_of_another_key_is_not_found(cache: EngineCache, change: dict[str, Any]) -> None:
    cache.add(EngineKey(KEY.model_sha256, FILE.model_copy(update=change)), b"other")
    assert cache.find(KEY) is None
    assert cache.find(EngineKey("1" * 64, FILE)) is None


def test_engines_of_the_same_model_and_gpu_that_do_not_fit_are_listed(cache: EngineCache) -> None:
    cache.add(KEY, b"engine")
    old = cache.add(EngineKey(KEY.model_sha256, FILE.model_copy(update={"version": "10.1"})), b"old")
    cache.add(EngineKey("1" * 64, FILE), b"another model")
    assert cache.others(KEY) == [old.name]


def test_another_kernel_needs_another_engine(cache: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.add(KEY, b"engine")
    monkeypatch.setattr(cache_module, "SOURCE", Path(__file__))
    assert cache.find(KEY) is None


@pytest.mark.parametrize("damage", ["engine", "digest", "empty digest"])
def test_a_damaged_engine_is_reported_and_removed(
    cache: EngineCache, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = cache.add(KEY, b"engine")
    digest = path.with_name(f"{path.name}.sha256")
    {"engine": path, "digest": digest, "empty digest": digest}[damage].write_bytes(
        b"" if damage == "empty digest" else b"engin"
    )
    assert cache.find(KEY) is None
    assert "it is removed and built again" in caplog.text
    assert list(cache.path.iterdir()) == []
    caplog.clear()
    assert cache.find(KEY) is None
    assert not caplog.records
    cache.add(KEY, b"engine")
    assert cache.find(KEY) == path


def test_a_write_that_fails_leaves_the_old_engine_and_no_other_file(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cache.add(KEY, b"engine")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cache.add(KEY, b"another")
    assert cache.find(KEY) == path
    assert path.read_bytes() == b"engine"
    assert len(list(cache.path.iterdir())) == 2


def test_one_process_at_a_time_builds_an_engine(cache: EngineCache) -> None:
    with cache.building(KEY) as first, cache.building(KEY) as second:
        assert first is not None
        assert second is None
        with cache.building(EngineKey("1" * 64, FILE)) as other:
            assert other is not None
    with cache.building(KEY) as again:
        assert again is not None
