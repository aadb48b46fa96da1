"""A remote bundle, such as `s3://bucket/name`, and its copy in a directory of this machine.

The manifest names the files and their hashes, so that a server of files without lists is enough, and each file of the
copy is checked. The copy is written beside the directory and renamed; a process that is killed leaves the old copy, or
none, and the next one removes the rest. Of several processes, one copies and the others wait for it.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tqdm import tqdm

from service.bundle import MANIFEST, Bundle, BundleError, examples_of, parse_manifest, read_bundle, sha256_of
from service.card import MAX_EXAMPLE_BYTES
from service.remote import FULL, RemoteError, UnreachableError, copy_file, mask_url, place_in
from service.telemetry.progress_bar import progress_bar

MAX_MANIFEST_BYTES = 2**20
MAX_FILE_BYTES = 2 * 2**30  # protobuf reads no larger model
MAX_FILES = 100

logger = logging.getLogger("singleshot")


def name_of(url: str) -> str:
    """The last part of a URL's path, as the name of a directory."""
    folder = _without_user(url).partition("://")[2].partition("?")[0].rstrip("/")
    return re.sub(r"[^A-Za-z0-9._-]", "-", folder.rpartition("/")[2]).strip(".") or "bundle"


def copy_path(cache: Path, url: str) -> Path:
    """The directory of the copy of the bundle at `url`, in the directory of all copies."""
    digest = hashlib.sha256(_without_user(url).rstrip("/").encode()).hexdigest()
    return cache / digest[:16] / name_of(url)


def _without_user(url: str) -> str:
    """The URL without its user and password: with another password, it is still the same bundle."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


def fetch_bundle(url: str, path: Path) -> Bundle:
    """Bring the copy of the bundle at `url` in directory `path` up to date, and check it.

    A copy that has the remote manifest is not copied again. If the remote bundle cannot be reached, or the disk is
    full, the copy stays, and the log says so. Raises BundleError if there is no copy then, or if the remote bundle is
    not there or not valid.
    """
    try:
        path = path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError until Python 3.13
        raise BundleError(f"{path}: its links lead to themselves; choose another directory") from error
    if path == Path(path.anchor):
        raise BundleError(f"{path}: it cannot be replaced; choose a directory below it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as lock:
            _check_target(path)
            _clear(path)
            try:
                bundle = _update(url, path)
            except UnreachableError as error:
                return _old_copy(url, path, lock, error)
            except OSError as error:
                if error.errno not in FULL or not path.exists():
                    raise
                reason = UnreachableError(f"{mask_url(url)}: it cannot be copied: {error.strerror}")
                return _old_copy(url, path, lock, reason)
            os.utime(lock)  # when the copy was last up to date
            return bundle
    except RemoteError as error:
        raise BundleError(str(error)) from error
    except OSError as error:
        remedy = "choose a directory that can be written and has space"
        raise BundleError(f"{path}: {mask_url(url)} cannot be copied to it: {error.strerror}; {remedy}") from error


def _update(url: str, path: Path) -> Bundle:
    """Copy the bundle to `path` unless it is there. Raises RemoteError, BundleError and OSError."""
    start = time.monotonic()
    new = path.with_name(f".{path.name}.new")
    new.mkdir()
    try:
        num_bytes = copy_file(place_in(url, MANIFEST), new / MANIFEST, MAX_MANIFEST_BYTES)
        content = (new / MANIFEST).read_bytes()
        manifest = parse_manifest(content, place_in(mask_url(url), MANIFEST))
        if (bundle := _same_copy(path, content)) is not None:
            known = {"event": "bundle_current", "bundle": mask_url(url)}
            logger.info("%s: the copy of %s is up to date", path, mask_url(url), extra=known)
            return bundle
        if len(manifest.files) > MAX_FILES:
            raise BundleError(f"{mask_url(url)}: it has more than {MAX_FILES} files, which is the limit")
        for name, expected in manifest.files.items():
            max_bytes = MAX_EXAMPLE_BYTES if name in examples_of(manifest) else MAX_FILE_BYTES
            with progress_bar(desc=name, unit="B", unit_scale=True, leave=False) as bar:
                num_bytes += copy_file(place_in(url, name), new / name, max_bytes, partial(_show, bar))
            if sha256_of(new / name) != expected:
                remedy = "it was changed meanwhile, or damaged: upload the whole bundle again"
                raise BundleError(f"{place_in(mask_url(url), name)}: SHA-256 is not the manifest's; {remedy}")
        _replace(path, new)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    fields = {
        "event": "bundle_fetched",
        "bundle": mask_url(url),
        "model": manifest.name,
        "version": manifest.version,
        "bytes": num_bytes,
        "seconds": round(time.monotonic() - start, 3),
        "directory": str(path),
    }
    text = "fetched %(model)s version %(version)s from %(bundle)s: %(bytes)d bytes in %(seconds).1f s"
    logger.info(text, fields, extra=fields)
    return Bundle(path, manifest)


def _show(bar: tqdm, num_bytes: int, size: int | None) -> None:
    """Show on the bar that `num_bytes` of a file are copied."""
    if bar.total != size:
        bar.total = size
        bar.refresh()
    bar.update(num_bytes - bar.n)


def _same_copy(path: Path, manifest: bytes) -> Bundle | None:
    """The bundle in `path` if it has this manifest and its files are whole."""
    try:
        return read_bundle(path) if (path / MANIFEST).read_bytes() == manifest else None
    except (BundleError, OSError):
        return None


def _old_copy(url: str, path: Path, lock: Path, reason: UnreachableError) -> Bundle:
    """The bundle in `path`, for which there may be a newer one; raises BundleError if it is none."""
    if not path.exists():
        raise BundleError(f"{reason}; there is no copy of it on this machine") from reason
    bundle = read_bundle(path)
    hours = (time.time() - lock.stat().st_mtime) / 3600
    manifest = bundle.manifest
    fields = {
        "event": "bundle_old",
        "bundle": mask_url(url),
        "model": manifest.name,
        "version": manifest.version,
        "directory": str(path),
    }
    text = "%s; its copy with version %s is used, which was up to date %.1f hours ago"
    logger.warning(text, reason, manifest.version, hours, extra=fields)
    return bundle


def _check_target(path: Path) -> None:
    """Raise BundleError if `path` holds anything but a bundle, which a copy would remove."""
    is_empty = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    if not is_empty and not (path / MANIFEST).is_file():
        raise BundleError(f"{path}: it is there and is no bundle; choose another directory, or remove it")


def _replace(path: Path, new: Path) -> None:
    """Put the directory `new` in the place of `path`."""
    old = path.with_name(f".{path.name}.old")
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _clear(path: Path) -> None:
    """Remove what a killed process has left; it may have been killed between the renames of `_replace`."""
    old = path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.rename(path)
    for left in (old, path.with_name(f".{path.name}.new")):
        if left.exists():
            shutil.rmtree(left)


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Hold the lock of a copy -> the lock's file. Wait while another process holds it; one that ends gives it up."""
    lock = path.with_name(f".{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: waiting for another process that copies to it", path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(descriptor)
