"""Remote bundles and their copies."""

import hashlib
import json
import logging
import os
import resource
import shutil
from pathlib import Path

import pytest

from service.bundle import GOLDEN, MANIFEST, MODEL, Bundle, BundleError, read_bundle
from service.card import MAX_EXAMPLE_BYTES
from service.fetch import remote_bundle
from service.fetch.remote_bundle import copy_path, fetch_bundle, name_of
from service.remote import write_file
from tests.service.object_store import bucket
from tests.service.website import Website, remote, website
from tests.tiny_bundle import EXAMPLE, write_tiny_bundle

__all__ = ["bucket", "remote", "website"]


@pytest.fixture
def url(website: Website, remote: Bundle) -> str:
    return f"{website.url}/{remote.path.name}"


def change_manifest(bundle: Bundle, changes: dict[str, object]) -> None:
    path = bundle.path / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def content_of(folder: Path) -> set[str]:
    """The names in a folder without those of locks."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_bundle_is_copied(url: str, remote: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "singleshot")
    copy = fetch_bundle(url, tmp_path / "deep" / "copy")
    assert copy == read_bundle(tmp_path / "deep" / "copy")
    assert copy.manifest == remote.manifest
    assert content_of(copy.path) == content_of(remote.path)
    assert content_of(tmp_path / "deep") == {"copy"}
    (record,) = caplog.records
    assert record.__dict__["event"] == "bundle_fetched"
    assert record.__dict__["bytes"] == sum(path.stat().st_size for path in remote.path.iterdir())


def test_bundle_of_a_bucket_is_copied(bucket: str, tiny_bundle: Bundle, tmp_path: Path) -> None:
    for path in tiny_bundle.path.iterdir():
        write_file(f"{bucket}/models/tiny/{path.name}", path.read_bytes())
    copy = fetch_bundle(f"{bucket}/models/tiny/", tmp_path / "copy")
    assert read_bundle(copy.path).manifest == tiny_bundle.manifest


def test_bundle_that_did_not_change_is_not_copied_again(url: str, website: Website, tmp_path: Path) -> None:
    fetch_bundle(url, tmp_path / "copy")
    website.gets.clear()
    fetch_bundle(url, tmp_path / "copy")
    assert website.gets == ["/cards/manifest.json"]


def test_new_version_replaces_the_copy(url: str, remote: Bundle, tmp_path: Path) -> None:
    path = fetch_bundle(url, tmp_path / "copy").path
    write_tiny_bundle(remote.path, version="2", brightness=200)
    assert fetch_bundle(url, path).manifest.version == "2"
    assert read_bundle(path).manifest.version == "2"
    assert content_of(path) == content_of(remote.path)


def test_damaged_copy_is_replaced(url: str, tmp_path: Path) -> None:
    copy = fetch_bundle(url, tmp_path / "copy")
    copy.model_path.write_bytes(b"damaged")
    fetch_bundle(url, copy.path)
    assert read_bundle(copy.path) == copy


def test_damaged_file_is_refused_and_the_copy_stays(url: str, remote: Bundle, tmp_path: Path) -> None:
    with_copy, without = tmp_path / "with", tmp_path / "without"
    copy = fetch_bundle(url, with_copy)
    write_tiny_bundle(remote.path, version="2")
    remote.golden_path.write_bytes(b"damaged")
    for path in (with_copy, without):
        with pytest.raises(BundleError, match=r"/cards/golden\.png: SHA-256 is not the manifest's; .*upload the whole"):
            fetch_bundle(url, path)
    assert read_bundle(with_copy) == copy
    assert content_of(tmp_path) == {"with", "website"}


def test_missing_file_is_named_and_the_copy_stays(url: str, remote: Bundle, tmp_path: Path) -> None:
    copy = fetch_bundle(url, tmp_path / "copy")
    write_tiny_bundle(remote.path, version="2")
    remote.model_path.unlink()
    with pytest.raises(BundleError, match=r"/cards/model\.onnx: there is no such file or folder; correct the URL"):
        fetch_bundle(url, copy.path)
    assert read_bundle(copy.path) == copy


@pytest.mark.usefixtures("bucket")
def test_place_without_a_bundle_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"/cards/none/manifest\.json: there is no such file or folder"):
        fetch_bundle(f"{url}/none", tmp_path / "copy")
    with pytest.raises(BundleError, match=r"^s3://no-bucket/cards/manifest\.json: there is no such file or folder"):
        fetch_bundle("s3://no-bucket/cards", tmp_path / "copy")
    assert content_of(tmp_path) == {"website"}


def test_copy_is_used_while_the_remote_bundle_cannot_be_reached(
    url: str, website: Website, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = fetch_bundle(url, tmp_path / "copy")
    lock = tmp_path / ".copy.lock"
    os.utime(lock, (lock.stat().st_atime, lock.stat().st_mtime - 7200))
    website.private.add("/cards/manifest.json")
    assert fetch_bundle(url, copy.path) == copy
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "its copy with version 1 is used, which was up to date 2.0 hours ago" in record.getMessage()


def test_copy_is_used_if_the_disk_is_full(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    copy = fetch_bundle(url, tmp_path / "copy")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # smaller than the manifest
    try:
        assert fetch_bundle(url, tmp_path / "copy") == copy
        with pytest.raises(BundleError, match="cannot be copied to it: File too large"):
            fetch_bundle(url, tmp_path / "other")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "it cannot be copied: File too large; its copy with version 1 is used" in caplog.text


def test_copy_is_used_if_the_connection_breaks(url: str, remote: Bundle, website: Website, tmp_path: Path) -> None:
    copy = fetch_bundle(url, tmp_path / "copy")
    write_tiny_bundle(remote.path, version="2")
    website.cuts.add("/cards/model.onnx")
    assert fetch_bundle(url, copy.path) == copy
    assert content_of(tmp_path) == {"copy", "website"}


def test_unreachable_bundle_without_a_copy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"it cannot be reached or read .*; there is no copy of it on this machine"):
        fetch_bundle("http://127.0.0.1:1/cards", tmp_path / "copy")
    assert content_of(tmp_path) == set()


def test_damaged_copy_of_an_unreachable_bundle_is_an_error(url: str, website: Website, tmp_path: Path) -> None:
    copy = fetch_bundle(url, tmp_path / "copy")
    copy.model_path.write_bytes(b"damaged")
    website.private.add("/cards/manifest.json")
    with pytest.raises(BundleError, match=r"model\.onnx: SHA-256 is"):
        fetch_bundle(url, copy.path)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "..", ".", "", "a/b", MANIFEST, "a\0b", "a\x1b[2J"])
def test_file_outside_the_bundle_is_refused(
    name: str, url: str, remote: Bundle, website: Website, tmp_path: Path
) -> None:
    change_manifest(remote, {"files": {**remote.manifest.files, name: "0" * 64}})
    with pytest.raises(BundleError, match=r"/cards/manifest\.json: files: .* is not a plain file name"):
        fetch_bundle(url, tmp_path / "copy")
    assert website.gets == ["/cards/manifest.json"]
    assert content_of(tmp_path) == {"website"}


def test_manifest_that_is_none_is_refused(url: str, remote: Bundle, tmp_path: Path) -> None:
    (remote.path / MANIFEST).write_text("<html>Sign in</html>")
    with pytest.raises(BundleError, match=r"/cards/manifest\.json: the file: Invalid JSON"):
        fetch_bundle(url, tmp_path / "copy")


@pytest.mark.parametrize("limit", ["MAX_MANIFEST_BYTES", "MAX_FILE_BYTES", "MAX_FILES"])
def test_bundle_above_the_limits_is_refused(
    limit: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_bundle, limit, 1)
    with pytest.raises(BundleError, match="which is the limit"):
        fetch_bundle(url, tmp_path / "copy")
    assert content_of(tmp_path) == {"website"}


def test_example_that_is_too_large_is_refused_and_the_copy_stays(url: str, remote: Bundle, tmp_path: Path) -> None:
    fetch_bundle(url, tmp_path / "copy")
    large = bytes(MAX_EXAMPLE_BYTES + 1)
    (remote.path / EXAMPLE).write_bytes(large)
    files = {**remote.manifest.files, EXAMPLE: hashlib.sha256(large).hexdigest()}
    change_manifest(remote, {"card": {"description": "Finds blocks.", "examples": [EXAMPLE]}, "files": files})
    with pytest.raises(BundleError, match=r"/example\.png: the file has more than 1000000 bytes"):
        fetch_bundle(url, tmp_path / "copy")
    assert read_bundle(tmp_path / "copy").manifest == remote.manifest


def test_other_directory_is_not_replaced(url: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("")
    with pytest.raises(BundleError, match=r"mine: it is there and is no bundle; choose another directory"):
        fetch_bundle(url, tmp_path / "mine")
    assert content_of(tmp_path / "mine") == {"thesis"}


def test_empty_directory_is_replaced(url: str, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    assert fetch_bundle(url, tmp_path / "copy") == read_bundle(tmp_path / "copy")


@pytest.mark.parametrize("place", ["/dev/full/copy", "/proc/copy"])
def test_directory_that_cannot_be_made_is_named(place: str, url: str) -> None:
    with pytest.raises(BundleError, match=rf"^{place}: http://.* cannot be copied to it: .*choose a directory"):
        fetch_bundle(url, Path(place))


def test_link_that_leads_to_itself_is_named(url: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BundleError, match="loop: its links lead to themselves"):
        fetch_bundle(url, tmp_path / "loop")


def test_copy_of_a_process_that_was_killed_is_found_again(url: str, website: Website, tmp_path: Path) -> None:
    """It was killed between the two renames; then the website cannot be reached."""
    copy = fetch_bundle(url, tmp_path / "copy")
    shutil.copytree(copy.path, tmp_path / ".copy.new")
    copy.path.rename(tmp_path / ".copy.old")
    website.private.add("/cards/manifest.json")
    assert fetch_bundle(url, copy.path) == copy
    assert content_of(tmp_path) == {"copy", "website"}


def test_password_does_not_change_the_directory_but_the_query_does(tmp_path: Path) -> None:
    path = copy_path(tmp_path, "https://host/models/cards")
    assert path.name == "cards"
    assert path == copy_path(tmp_path, "https://me:secret@host/models/cards/")
    assert path != copy_path(tmp_path, "https://host/models/cards?version=2")
    assert path != copy_path(tmp_path, "https://other/models/cards")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://a/b", "b"),
        ("s3://a", "a"),
        ("https://me@h/a%20b/?q", "a-20b"),
        ("s3://a/..", "bundle"),
        ("s3://", "bundle"),
    ],
)
def test_name_of_a_url_is_that_of_a_directory(url: str, name: str) -> None:
    assert name_of(url) == name


def test_secrets_of_a_url_are_not_logged(
    url: str, website: Website, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secret = url.replace("://", "://me:swordfish@") + "?key=hidden"
    fetch_bundle(secret, tmp_path / "copy")
    fetch_bundle(secret, tmp_path / "copy")
    assert f"/cards/{GOLDEN}?key=hidden" in website.gets
    website.private.update({f"/cards/{MODEL}", f"/cards/{MANIFEST}"})
    fetch_bundle(secret, tmp_path / "copy")
    with pytest.raises(BundleError) as caught:
        fetch_bundle(secret, tmp_path / "other")
    text = str(caught.value) + "".join(str(record.__dict__) for record in caplog.records if record.name == "singleshot")
    assert "swordfish" not in text
    assert "hidden" not in text
