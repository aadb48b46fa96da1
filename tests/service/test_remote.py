"""Places that fsspec reads."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import s3fs

from service import remote
from service.remote import (
    NotThereError,
    RemoteError,
    UnreachableError,
    copy_file,
    is_remote,
    list_files,
    mask_url,
    place_in,
    read_file,
    write_file,
)
from tests.service.object_store import bucket
from tests.service.website import Website, website

__all__ = ["bucket", "website"]


@pytest.mark.parametrize(
    "place", ["s3://a/b", "gs://a", "hf://a/b/c", "https://a/b", "S3://a", "file:///a", "memory://a"]
)
def test_url_is_remote(place: str) -> None:
    assert is_remote(place)


@pytest.mark.parametrize("place", ["default", "/a/b", "a/b", "./a://b", "a:b", "", "C:/a", "://a"])
def test_path_is_not_remote(place: str) -> None:
    assert not is_remote(place)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@host:8443/a?key=secret#part", "https://***@host:8443/a?***"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://me:se@cret@[::1/a", "https://***@[::1/a"),
        ("s3://bucket/folder", "s3://bucket/folder"),
    ],
)
def test_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_files_of_a_bucket_are_listed_and_read(bucket: str) -> None:
    for name in ("b.jpg", "a.jpg", "deep/c.png"):
        write_file(f"{bucket}/list/{name}", name.encode())
    assert list_files(f"{bucket}/list") == [f"{bucket}/list/{name}" for name in ("a.jpg", "b.jpg", "deep/c.png")]
    assert list_files(f"{bucket}/list/*.jpg") == [f"{bucket}/list/a.jpg", f"{bucket}/list/b.jpg"]
    assert list_files(f"{bucket}/list/**/*.png") == [f"{bucket}/list/deep/c.png"]
    assert list_files(f"{bucket}/list/a.jpg") == [f"{bucket}/list/a.jpg"]
    assert read_file(f"{bucket}/list/deep/c.png") == b"deep/c.png"


def test_new_file_is_in_the_next_list(bucket: str) -> None:
    write_file(f"{bucket}/new/a", b"")
    assert list_files(f"{bucket}/new") == [f"{bucket}/new/a"]
    write_file(f"{bucket}/new/b", b"")
    assert list_files(f"{bucket}/new") == [f"{bucket}/new/a", f"{bucket}/new/b"]


@pytest.mark.parametrize("read", [read_file, list_files])
def test_missing_file_or_bucket_is_named(bucket: str, read: object) -> None:
    assert callable(read)
    with pytest.raises(NotThereError, match=r"^s3://pictures/none: there is no such file or folder; correct the URL$"):
        read(f"{bucket}/none")
    with pytest.raises(NotThereError, match=r"^s3://no-bucket/none: there is no such file"):
        read("s3://no-bucket/none")


def test_missing_credentials_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(RemoteError, match=r"^s3://pictures/a: access is refused, check the credentials"):
        read_file(f"{bucket}/a")
    s3fs.S3FileSystem.clear_instance_cache()


def test_file_of_a_website_is_read(website: Website) -> None:
    (website.folder / "a b.jpg").write_bytes(b"jpeg")
    place = place_in(website.url, "a b.jpg")
    assert read_file(place) == b"jpeg"
    assert list_files(place) == [place]
    with pytest.raises(NotThereError):
        read_file(f"{website.url}/b.jpg")


def test_query_stays_at_the_end_of_a_url() -> None:
    assert place_in("https://a/b/?key=1#x", "m n.json") == "https://a/b/m%20n.json?key=1"
    assert place_in("s3://a/b?/", "m n.json") == "s3://a/b?/m n.json"


def test_copy_of_a_file_has_a_limit(website: Website, bucket: str, tmp_path: Path) -> None:
    reports: list[tuple[int, int | None]] = []
    (website.folder / "a").write_bytes(b"12345")
    write_file(f"{bucket}/limit/a", b"12345")
    for place in (f"{website.url}/a", f"{bucket}/limit/a"):
        size = copy_file(place, tmp_path / "copy", 5, lambda done, size: reports.append((done, size)))
        assert size == 5
        assert reports[-1] == (5, 5)
        assert (tmp_path / "copy").read_bytes() == b"12345"
        with pytest.raises(RemoteError, match=r"/a: the file has more than 4 bytes, which is the limit"):
            copy_file(place, tmp_path / "copy", 4)


def test_file_that_is_cut_short_is_an_error(website: Website, tmp_path: Path) -> None:
    (website.folder / "a").write_bytes(b"12345")
    website.cuts.add("/a")
    with pytest.raises(UnreachableError, match="it cannot be reached or read"):
        copy_file(f"{website.url}/a", tmp_path / "copy", 5)


def test_refusal_of_a_website_shows_no_secret(website: Website) -> None:
    website.private.add("/a")
    place = website.url.replace("://", "://me:secret@") + "/a?key=hidden"
    with pytest.raises(RemoteError) as caught:
        read_file(place)
    message = str(caught.value)
    assert "/a?***: access is refused, check the credentials" in message
    assert "secret" not in message
    assert "hidden" not in message


def test_refusal_shows_no_secret_of_a_signed_url(website: Website) -> None:
    website.private.add("/a")
    with pytest.raises(RemoteError) as caught:
        read_file(f"{website.url}/a?Credential=me%2F2026&Signature=hidden")
    assert f"url='{website.url}/a?***'" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://me:secret@127.0.0.1:1/a?hidden", "http://me:secret@[::1/a?hidden"])
def test_website_that_cannot_be_reached_is_named(url: str) -> None:
    with pytest.raises(UnreachableError, match="it cannot be reached or read") as caught:
        read_file(url)
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_server_that_does_not_answer_is_not_waited_for(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "REPLY_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        s3fs.S3FileSystem.clear_instance_cache()
        place = "s3://bucket/a" if scheme == "s3" else f"{address}/a"
        with pytest.raises(UnreachableError, match="it cannot be reached or read"):
            read_file(place)
        with pytest.raises(UnreachableError, match="it cannot be reached or read"):
            copy_file(place, tmp_path / "copy", 100)
    s3fs.S3FileSystem.clear_instance_cache()


def test_unknown_scheme_is_named() -> None:
    with pytest.raises(RemoteError, match=r"^s4://a/b: .*Protocol not known: s4"):
        read_file("s4://a/b")


@pytest.mark.parametrize(
    ("package", "place"), [("fsspec", "s3://a/b"), ("gcsfs", "gs://a/b"), ("aiohttp", "http://a/b")]
)
def test_missing_package_has_a_remedy(package: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    if package == "fsspec":
        monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(RemoteError, match=r"a package is missing \(.*\); install it with `pip install '\.\[remote\]'`"):
        read_file(place)


def test_local_bundles_need_no_fsspec() -> None:
    code = "import service.__main__, sys; print(sorted({'fsspec', 'aiohttp', 'botocore'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
