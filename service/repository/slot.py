"""A place of the repository: a directory with a bundle, and the model that was loaded from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.bundle import MANIFEST, BundleError, Manifest
from service.fetch.remote_bundle import copy_path
from service.remote import is_remote, mask_url
from service.repository.served_model import ServedModel
from service.settings import DEFAULT_BUNDLES, MOUNTED_BUNDLES

Signature = frozenset[tuple[str | int, ...]]  # of each file: name, time of change, size, inode, mode, user, group
Fault = Literal["refused", "missing"]
FAULTS: tuple[Fault, ...] = ("refused", "missing")


@dataclass
class Slot:
    """A directory with a bundle, and the model that was last loaded from it; None while none is served.

    `name` is that of the model; empty while no bundle of the directory could be read. A canary is another version of
    the model of another slot; `canary_share` is its part of the requests. `fault` says that the directory's newest
    content is refused or that the directory is missing, and `reason` why.
    """

    path: Path
    is_canary: bool
    canary_share: float
    signature: Signature
    name: str = ""
    model: ServedModel | None = None
    is_unloaded: bool = False  # on request
    fault: Fault | None = None
    reason: str = ""
    credit: float = 0.0  # of a canary: at 1 it gets a request
    num_missing: int = 0  # looks in a row that have not found the directory
    url: str = ""  # of the remote bundle whose copy the directory is

    @property
    def place(self) -> str:
        """The directory, or the remote bundle's URL without its credentials."""
        return mask_url(self.url) if self.url else str(self.path)

    @property
    def label(self) -> str:
        """The name of the model, or of the directory while the model's is not known."""
        return self.name or self.path.name


def signature_of(path: Path) -> Signature:
    """A value that changes with each file of the directory, also if a file becomes readable.

    It is empty if the directory does not exist.
    """

    def stats() -> Iterator[tuple[str | int, ...]]:
        for file in path.iterdir():
            found = file.stat()
            content = found.st_mtime_ns, found.st_size, found.st_ino
            yield file.name, *content, found.st_mode, found.st_uid, found.st_gid

    try:
        return frozenset(stats())
    except OSError:  # the directory is being replaced
        return frozenset()


def check_place(slot: Slot, manifest: Manifest, slots: Sequence[Slot]) -> None:
    """Raise BundleError if a bundle has another name than before in its slot, or takes the place of another one."""
    path, name, version = slot.path, manifest.name, manifest.version
    is_name_free = slot.model is None and slot.fault is not None  # nothing was served under the old one
    if slot.name not in ("", name) and not is_name_free:
        raise BundleError(f"{path}: its name is {name}, it was {slot.name}; restart to serve it")
    same = [other for other in slots if other is not slot and other.name == name]
    mains = [other for other in same if not other.is_canary and (other.model is not None or other.is_unloaded)]
    if slot.is_canary and len(same) != 1:
        what = "no model of that name" if not same else "a canary of it already"
        raise BundleError(f"{path}: it should be a canary of {name}, but there is {what}; see --bundle and --canary")
    if mains and not slot.is_canary:
        raise BundleError(f"{path}: a model named {name} is served already; export it under another name")
    if any(other.model is not None and other.model.version == version for other in same):
        raise BundleError(f"{path}: version {version} of {name} is served already; export it with another --version")


def find_bundles(names: Sequence[str], cache: Path) -> list[tuple[Path, str]]:
    """The directories of the bundles, each with its URL, which is empty for a local one. Raises BundleError.

    The name `default` means the packaged bundles, `/mnt/models` all that are there. The copies of remote bundles are in
    the directory `cache`.
    """
    places: list[tuple[Path, str]] = []
    for name in names:
        if name == "default":
            packaged = sorted(path.parent for path in DEFAULT_BUNDLES.glob("*/manifest.json"))
            if not packaged:
                raise BundleError(
                    f"{DEFAULT_BUNDLES}: no bundle is packaged with this server; name one with --bundle DIR"
                )
            places += [(path, "") for path in packaged]
        elif is_remote(name):
            places.append((copy_path(cache, name), name))
        elif Path(name) == MOUNTED_BUNDLES:
            places += [(path, "") for path in mounted_bundles()]
        else:
            places.append((Path(name), ""))
    if not places:
        raise BundleError("no bundle to serve; name one with --bundle DIR")
    return places


def mounted_bundles() -> list[Path]:
    """The bundle that is mounted, or those in its subdirectories that are not hidden, which are no finished copies.

    Raises BundleError if there is none.
    """
    if (MOUNTED_BUNDLES / MANIFEST).is_file():
        return [MOUNTED_BUNDLES]
    found = sorted(path.parent for path in MOUNTED_BUNDLES.glob(f"[!.]*/{MANIFEST}"))
    if not found:
        raise BundleError(
            f"{MOUNTED_BUNDLES}: neither it nor a directory in it holds a {MANIFEST}, so no bundle is mounted; put one "
            "there (KServe's storageUri), or name one with --bundle; `--bundle default` is the packaged one"
        )
    return found
