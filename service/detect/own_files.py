"""Whose the files in a folder of outputs are: two pictures may not have the same one."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from service.detect.picture import Failure, Picture

MAX_NAME_BYTES = 250  # Linux allows 255, and `replacing` adds 5

Pictures = Iterator[Picture | Failure]


class OwnFiles:
    """Finds pictures whose own file another picture of the same folder has: labels of a.jpg and a.png are both a.txt.

    `reserved` says of files that belong to no picture what they are. It knows the files of one folder at a time,
    because the pictures come folder by folder.
    """

    def __init__(self, file_of: Callable[[str], Path], reserved: Mapping[Path, str]) -> None:
        self._file_of = file_of
        self._reserved = reserved
        self._folder = Path()
        self._owners: dict[str, str] = {}  # by the names of files in the folder

    def claim(self, name: str) -> str:
        """The picture that has the file which is due to the picture `name`: this one, or an earlier one."""
        path = self._file_of(name)
        if path.parent != self._folder:
            self._folder, self._owners = path.parent, {}
        if path in self._reserved:
            return self._reserved[path]
        return self._owners.setdefault(path.name, name)

    def is_too_long(self, name: str) -> bool:
        """Whether a part of the path of the picture's file is longer than a name on a disk may be."""
        return max(len(os.fsencode(part)) for part in self._file_of(name).parts) > MAX_NAME_BYTES

    def checked(self, pictures: Pictures) -> Pictures:
        """The pictures, with a failure in the place of each whose file another one has."""
        for picture in pictures:
            owner = self.claim(picture.name) if isinstance(picture, Picture) else picture.name
            if owner == picture.name and isinstance(picture, Picture) and self.is_too_long(picture.name):
                yield Failure(picture.name, "the name of its file would be too long; shorten the picture's")
            elif owner == picture.name:
                yield picture
            else:
                yield Failure(picture.name, f"its file would be that of {owner}; rename one of the two")
