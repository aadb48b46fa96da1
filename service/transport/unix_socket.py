"""A unix socket that listens: a file that clients of this machine connect to."""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_PATH_BYTES = 107  # of the 108 in Linux's sockaddr_un, one ends the path
UMASK = 0o117  # user and group may connect, which means to write
LOCK_SECONDS = 5.0
ASK_SECONDS = 1.0


class UnixListener(socket.socket):
    """Listens on `path`. Raises OSError if that is not possible, or if another file or server is there.

    The file of a server that has died is replaced. The file is removed when the socket is closed, if it is still the
    file of this socket. A lock on the directory keeps two servers from replacing each other's file.
    """

    def __init__(self, path: Path) -> None:
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise OSError(errno.ENAMETOOLONG, f"the path has more than {MAX_PATH_BYTES} bytes")
        self._path = path
        self._identity: tuple[int, int] | None = None
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with locked(path.parent):
                remove_dead(path)
                before = os.umask(UMASK)
                try:
                    self.bind(os.fspath(path))
                finally:
                    os.umask(before)
                self._identity = identity_of(path)
                self.listen()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Stop listening."""
        if self._identity is not None and identity_of(self._path) == self._identity:
            self._path.unlink(missing_ok=True)
        self._identity = None
        super().close()

    def dup(self) -> socket.socket:  # type: ignore[override]  # typeshed wants Self
        """Another socket with the same queue of connections; it does not remove the file."""
        return socket.socket(self.family, self.type, self.proto, fileno=os.dup(self.fileno()))


def identity_of(path: Path) -> tuple[int, int] | None:
    """The device and the inode of a file; None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove_dead(path: Path) -> None:
    """Remove the socket of a server that has died; raises OSError if the file is anything else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "a file that is no socket is there, and is not replaced")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ASK_SECONDS)
        try:
            client.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except TimeoutError:
            pass  # it lives, and is too busy to accept
    raise OSError(errno.EADDRINUSE, "another server listens there")


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep the lock of a directory; raises OSError if another process does not free it within LOCK_SECONDS."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        give_up = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)
