"""Places outside this machine, such as `s3://bucket/folder`: fsspec lists, reads and writes their files.

fsspec and the package of a scheme are imported only for a place of that scheme. Credentials come from where each
package looks for them, e.g. the variables AWS_*; no error of this module shows those in a URL.
"""

import contextlib
import errno
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
URL = re.compile(rf"{SCHEME.pattern}[^\s'\"<>]*")
USER, QUERY = re.compile(r"(?<=://)[^/?#]*(?=@)"), re.compile(r"(?<=\?).*", re.DOTALL)  # may hold a password, a key
REMEDY = "install it with `pip install '.[remote]'`"
CONNECT_SECONDS, READ_SECONDS = 10, 30  # that a server of HTTP has for a connection, and for its next bytes
REPLY_SECONDS = 60  # for a file of at most SMALL_BYTES; the packages of some schemes would try again for minutes
SMALL_BYTES = 16 * 2**20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of this machine's disk
REFUSED = ("Permission", "Credential", "Forbidden", "Unauthorized", "Gated", "Token")  # in the names of errors


Report = Callable[[int, int | None], None]  # (bytes so far, bytes in all; None if the server does not say)


def silent(_: int, __: int | None) -> None:
    """Report nothing."""


class RemoteError(Exception):
    """A place that cannot be read or written; the message names it, without its credentials, and says why."""


class NotThereError(RemoteError):
    """The server of a place was reached, and it has no such file."""


class UnreachableError(RemoteError):
    """The server of a place cannot be reached, or it refuses access, or it fails."""


def is_remote(place: str) -> bool:
    """Whether a place is a URL, such as s3://, gs://, hf:// or https://, and not a path."""
    return SCHEME.match(place) is not None


def mask_url(url: str) -> str:
    """The URL with *** for its user and its password, and for its query."""
    return QUERY.sub("***", USER.sub("***", url, count=1), count=1)


def list_files(place: str) -> list[str]:
    """The files of a place, sorted, as places: all below a folder, those that a pattern with * fits, or itself.

    A place with http:// or https:// has no list and is always one file, which is not looked up. Raises RemoteError, and
    NotThereError if there are no files.
    """
    if is_web(place):
        return [place]
    with reporting(place):
        filesystem, path = open_place(place)
        filesystem.invalidate_cache()  # of listings: the process may have read the folder before
        is_pattern = any(character in path for character in "*?[")
        found = filesystem.glob(path, detail=True) if is_pattern else filesystem.find(path, detail=True)
        files = sorted(name for name, details in found.items() if details["type"] == "file")
        if not files:
            raise FileNotFoundError
        return [filesystem.unstrip_protocol(name) for name in files]


def read_file(place: str) -> bytes:
    """The content of a file. Raises RemoteError, and NotThereError if there is none."""
    with reporting(place):
        filesystem, path = open_place(place)
        content: bytes = filesystem.cat_file(path, **_time_limit(filesystem))
        return content


def copy_file(place: str, target: Path, max_bytes: int, report: Report = silent) -> int:
    """Copy a file to the path `target`, and report each part of it -> its size in bytes.

    Raises RemoteError, also for a file of more than `max_bytes`, NotThereError if there is none, and OSError. A part of
    the file may be left then.
    """
    with reporting(place):
        from fsspec.callbacks import Callback

        class Bounded(Callback):  # type: ignore[misc]
            def call(self, *_: object, **__: object) -> None:
                if max(self.value, self.size or 0) > max_bytes:
                    raise RemoteError(
                        f"{mask_url(place)}: the file has more than {max_bytes} bytes, which is the limit"
                    )
                report(self.value, self.size)

        filesystem, path = open_place(place)
        limit = _time_limit(filesystem) if max_bytes <= SMALL_BYTES else {}
        filesystem.get_file(path, str(target), callback=Bounded(), **limit)
        return target.stat().st_size


def write_file(place: str, content: bytes) -> None:
    """Write a file as a whole. Raises RemoteError."""
    with reporting(place):
        filesystem, path = open_place(place)
        filesystem.pipe_file(path, content)


def place_in(folder: str, name: str) -> str:
    """The place of a file in a folder; for a URL of HTTP, a query stays at its end."""
    if not is_web(folder):
        return f"{folder.rstrip('/')}/{name}"
    url, mark, query = folder.partition("#")[0].partition("?")
    return f"{url.rstrip('/')}/{quote(name)}{mark}{query}"


def is_web(place: str) -> bool:
    """Whether the place is served by HTTP, which has no lists of files."""
    scheme = SCHEME.match(place)
    return scheme is not None and scheme[1].lower() in ("http", "https")


def open_place(place: str) -> tuple[Any, str]:
    """fsspec's file system for a place, and its name for the place. Raises what `reporting` turns into RemoteError."""
    from fsspec.core import url_to_fs

    for package in ("fsspec", "gcsfs", "s3fs"):
        logging.getLogger(package).setLevel(logging.CRITICAL)  # else they log errors that they also raise
    options: dict[str, Any] = {}
    if is_web(place):
        from aiohttp import ClientTimeout

        limits = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        options = {"client_kwargs": {"timeout": limits, "trust_env": True}}
    filesystem, path = url_to_fs(place, **options)
    return filesystem, path


def _time_limit(filesystem: Any) -> dict[str, float]:
    """The argument that limits the time of a call, for the file systems that have one."""
    return {"timeout": REPLY_SECONDS} if filesystem.async_impl else {}


@contextlib.contextmanager
def reporting(place: str) -> Iterator[None]:
    """Turn each error of a block that reads or writes `place` into RemoteError, but not one of a full disk: OSError."""
    try:
        yield
    except RemoteError:
        raise
    except ImportError as error:
        raise RemoteError(f"{mask_url(place)}: a package is missing ({error}); {REMEDY}") from error
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotThereError(f"{mask_url(place)}: there is no such file or folder; correct the URL") from error
    except Exception as error:  # each package of a scheme has errors of its own
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise UnreachableError(f"{mask_url(place)}: {_reason(place, error)}") from error


def _reason(place: str, error: Exception) -> str:
    """Why a place cannot be read or written, without the credentials that the URL holds."""
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    for secret in (USER.search(place), QUERY.search(place)):
        message = message.replace(secret[0], "***") if secret and secret[0] else message
    message = URL.sub(lambda url: mask_url(url[0]), message)  # a package may write it otherwise, or name a redirect's
    is_refused = getattr(error, "status", None) in (401, 403) or any(word in type(error).__name__ for word in REFUSED)
    if is_refused:
        return f"access is refused, check the credentials ({message})"
    return f"it cannot be reached or read ({message})"
