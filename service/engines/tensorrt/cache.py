"""The directory of TensorRT engines that were built on this machine: bundles are read-only, and fit any machine.

An engine is a file `NAME.engine`. Its SHA-256 stands beside it in `NAME.engine.sha256`, so that `sha256sum --check`
reads it. An engine without it is not complete. Several servers may share a directory.
"""

import errno
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.bundle import MODEL, Bundle, EngineFile, sha256_of
from service.engines.protocol import EngineError
from service.engines.tensorrt.kernel import SOURCE

logger = logging.getLogger("singleshot")


class DamagedEngineError(EngineError):
    """An engine's file that TensorRT cannot load."""


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on. `model_sha256` is the SHA-256 of the bundle's model.onnx."""

    model_sha256: str
    file: EngineFile

    @property
    def name(self) -> str:
        """The name of the engine's file; it begins with a digest of the model and of the plugin's source."""
        digest = hashlib.sha256(self.model_sha256.encode() + SOURCE.read_bytes()).hexdigest()[:16]
        file = self.file
        return "-".join(
            [digest, file.compute_capability, file.flavour, file.version, file.precision, f"{file.max_batch}.engine"]
        )


def key_of(bundle: Bundle, file: EngineFile) -> EngineKey:
    """The key of the engine `file` of a bundle's model."""
    return EngineKey(bundle.manifest.files[MODEL], file)


class EngineCache:
    """The engines in the directory `path`, which need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, key: EngineKey) -> Path | None:
        """The file of the engine; None if there is none. A damaged one is removed, so that it is built again."""
        path, digest = self._paths(key)
        try:
            expected = digest.read_text().split()[0]
            is_whole = sha256_of(path) == expected
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except (OSError, IndexError, UnicodeDecodeError) as error:
            logger.error("%s: the engine in the cache cannot be read (%s)", path, error)
            is_whole = False
        if is_whole:
            return path
        logger.error("%s: the engine in the cache was changed or cut short; it is removed and built again", path)
        self.remove(key)
        return None

    def remove(self, key: EngineKey) -> None:
        """Remove an engine; a failure is logged."""
        path, digest = self._paths(key)
        try:
            digest.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.error("%s: it cannot be removed (%s); remove it by hand", path, error.strerror)

    def set_aside(self, key: EngineKey) -> Path:
        """Rename an engine that does not work, so that it is neither used nor built again -> its new path."""
        path, digest = self._paths(key)
        try:
            digest.unlink(missing_ok=True)
            if path.is_file():
                path.replace(self.set_aside_path(key))
        except OSError as error:
            logger.error("%s: it cannot be renamed (%s); remove it by hand", path, error.strerror)
        return self.set_aside_path(key)

    def set_aside_path(self, key: EngineKey) -> Path:
        """The path of an engine that was set aside."""
        path, _ = self._paths(key)
        return path.with_name(f"{path.name}.refused")

    def add(self, key: EngineKey, engine: bytes) -> Path:
        """Write an engine, wholly or not at all; raises OSError."""
        path, digest = self._paths(key)
        self.path.mkdir(parents=True, exist_ok=True)
        _write(path, engine)
        _write(digest, f"{hashlib.sha256(engine).hexdigest()}  {path.name}\n".encode())
        return path

    def others(self, key: EngineKey) -> list[str]:
        """The names of engines of the same model for the same GPU that do not fit: of another version or precision."""
        start = "-".join(key.name.split("-")[:2])
        return sorted(path.name for path in self.path.glob(f"{start}-*.engine") if path.name != key.name)

    @contextmanager
    def building(self, key: EngineKey) -> Iterator[int | None]:
        """Claim the build of an engine -> the descriptor of the lock's file; None if another process has claimed it.

        A process that ends gives up its claim. Raises OSError if the engine could not be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path, _ = self._paths(key)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        descriptor = os.open(self.path / f".{key.name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield descriptor
        finally:
            os.close(descriptor)

    def _paths(self, key: EngineKey) -> tuple[Path, Path]:
        path = self.path / key.name
        return path, path.with_name(f"{path.name}.sha256")


def _write(path: Path, content: bytes) -> None:
    """Replace `path` by `content`; a write that fails leaves no file behind."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
