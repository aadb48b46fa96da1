"""The directories that are served: the packaged ones, the mounted ones and those that are named."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from service import settings
from service.__main__ import read_settings
from service.bundle import BundleError
from service.repository import slot
from service.repository.slot import find_bundles
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that stands for /mnt/models; it does not exist yet."""
    path = tmp_path / "models"
    for module in (settings, slot):
        monkeypatch.setattr(module, "MOUNTED_BUNDLES", path)
    return path


def paths_of(names: Sequence[str]) -> list[Path]:
    """The directories of local bundles."""
    return [path for path, _ in find_bundles(names, Path("not-used"))]


@pytest.mark.usefixtures("mounted")
def test_the_packaged_bundle_is_served_if_nothing_is_mounted() -> None:
    assert read_settings([]).bundles == ("default",)
    (path,) = paths_of(["default"])
    assert path.parent == settings.DEFAULT_BUNDLES


def test_the_mounted_bundle_is_served_if_none_is_named(mounted: Path) -> None:
    write_tiny_bundle(mounted)
    assert read_settings([]).bundles == (str(mounted),)
    assert paths_of(read_settings([]).bundles) == [mounted]


def test_a_bundle_that_is_named_is_served_instead_of_the_mounted_one(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_bundle(mounted)
    monkeypatch.setenv("SINGLESHOT_BUNDLES", "/bundles/mine")
    assert read_settings([]).bundles == ("/bundles/mine",)
    assert read_settings(["--bundle", "default"]).bundles == ("default",)


def test_the_bundles_in_subdirectories_are_served_in_the_order_of_their_names(mounted: Path) -> None:
    for name in ("second", "first"):
        write_tiny_bundle(mounted / name, name=name)
    (mounted / "lost+found").mkdir()
    assert paths_of(read_settings([]).bundles) == [mounted / "first", mounted / "second"]


def test_a_hidden_directory_of_the_mount_is_not_served(mounted: Path) -> None:
    for name in (".new", "cards"):
        write_tiny_bundle(mounted / name, name="cards")
    assert paths_of(read_settings([]).bundles) == [mounted / "cards"]


def test_the_mount_may_be_named_with_a_slash_at_its_end(mounted: Path) -> None:
    for name in ("first", "second"):
        write_tiny_bundle(mounted / name, name=name)
    assert paths_of([f"{mounted}/"]) == [mounted / "first", mounted / "second"]


def test_a_mount_without_a_bundle_is_an_error_and_not_the_packaged_bundle(mounted: Path) -> None:
    mounted.mkdir()
    (mounted / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"so no bundle is mounted.*--bundle default"):
        paths_of(read_settings([]).bundles)


def test_a_link_to_nowhere_is_an_error_too(mounted: Path) -> None:
    mounted.symlink_to(mounted.parent / "elsewhere")
    with pytest.raises(BundleError, match="so no bundle is mounted"):
        paths_of(read_settings([]).bundles)
