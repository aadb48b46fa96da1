"""Finds the image files of a data set; each folder is listed once, because large ones have 100,000 files."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from models.data.data_set import DataError
from service.detection.decode import IMAGE_SUFFIXES

OTHER_SUFFIXES = frozenset([".avif", ".dng", ".heic", ".heif", ".jp2", ".jxl", ".jfif", ".tif", ".tiff"])


def is_image(path: Path) -> bool:
    """Whether the suffix is that of an image that can be read, in upper or lower case."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_other_image(path: Path) -> bool:
    """Whether the suffix is that of an image in a format that is not read."""
    return path.suffix.lower() in OTHER_SUFFIXES


class Listing:
    """The files of folders, by their names, and their images by their stems."""

    def __init__(self) -> None:
        self._names: dict[Path, set[str]] = {}
        self._stems: dict[Path, dict[str, list[Path]]] = {}

    def exists(self, path: Path) -> bool:
        folder = path.parent
        if folder not in self._names:
            self._names[folder] = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
        return path.name in self._names[folder]

    def with_stem(self, path: Path) -> Sequence[Path]:
        """The images that are called like `path`, which has no suffix: of all suffixes, in upper and lower case."""
        folder = path.parent
        if folder not in self._stems:
            self.exists(path)
            self._stems[folder] = defaultdict(list)
            for file in map(folder.joinpath, sorted(self._names[folder])):
                if is_image(file) or is_other_image(file):
                    self._stems[folder][file.stem].append(file)
        return self._stems[folder].get(path.name, [])

    def find(self, path: Path, file_name: str) -> Path:
        """The image called like `path`, which has no suffix, or else `file_name` in the same folder. Raises DataError.

        If there are several, `file_name` decides.
        """
        files = self.with_stem(path)
        named = path.parent / file_name
        if len(files) != 1 and is_image(named) and self.exists(named):
            return named
        if not files:
            raise DataError(f"{path}.jpg: annotated, but the image is missing; it may also be a PNG, WebP, BMP or GIF")
        if len(files) > 1:
            raise DataError(f"{files[0]}: there is also {files[1].name}; remove the one that is not annotated")
        if is_other_image(files[0]):
            raise DataError(f"{files[0]}: images of this format are not read; convert it to PNG")
        return files[0]
