"""The YOLO layout of Ultralytics: data.yaml names the classes and the images, and each image has a text file of rows.

The labels of .../images/a.jpg are .../labels/a.txt; a row is a class and a box or a polygon, in shares of the image.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from models.data.data_set import DataError, DataSet
from models.data.reading.annotation import Tally, index_of_class, pick_split
from models.data.reading.image_files import Listing, is_image, is_other_image
from models.data.reading.samples import ObjectList, image_size, make_samples

NO_SPLITS = frozenset(["path", "names", "nc", "download", "kpt_shape", "flip_idx", "channels", "roboflow"])
LOWEST, HIGHEST = -0.01, 1.01  # of a coordinate, as in Ultralytics' verify_image_label
SHORTEST_POLYGON = 7  # a class and three points

Box = tuple[float, float, float, float]


def is_yolo(root: Path) -> bool:
    """Whether `root` is a data set in YOLO format, or its YAML file."""
    return (root.is_file() and root.suffix.lower() in (".yaml", ".yml")) or _yaml_in(root) is not None


def read_yolo(root: Path, split: str, classes: tuple[str, ...] | None = None) -> DataSet:
    """Read one split of the data set in a folder, or of a YAML file. The default classes are its `names`.

    Polygons become the boxes around them. An image with an empty label file, or without one, has no objects.
    """
    tally = Tally()
    path = root if root.is_file() else _yaml_in(root)
    assert path is not None
    content = _read(path)
    names = _names(path, content)
    existing = {key for key, value in content.items() if value and isinstance(key, str) and key not in NO_SPLITS}
    split = pick_split(split, existing, f"{path}: {split}", tally)
    paths = _images(path, content, split, tally)
    classes = names if classes is None else classes
    index = {name: number for number, name in enumerate(classes)}
    sizes = [image_size(image) for image in paths]
    objects, places = ObjectList(), []
    for number, (image, (height, width)) in enumerate(zip(paths, sizes, strict=True)):
        for place, own, (x1, y1, x2, y2) in _rows(label_path(image), len(names), tally):
            label = index_of_class(names[own], index, place)
            objects.add(number, (x1 * width, y1 * height, x2 * width, y2 * height), label)
            places.append(place)
    samples = make_samples(paths, sizes, objects, places.__getitem__, tally)
    name = path.absolute().parent.name
    return DataSet(name, split, classes, samples, tally.num_dropped, notes=tally.notes())


def label_path(image: Path) -> Path:
    """The label file of an image: the last /images/ becomes /labels/, and the suffix .txt."""
    before, images, after = str(image).rpartition(f"{os.sep}images{os.sep}")
    return Path(f"{before}{images.replace('images', 'labels')}{after}").with_suffix(".txt")


def _yaml_in(root: Path) -> Path | None:
    """data.yaml, or else the only YAML file of the folder, if it has names."""
    files = sorted([*root.glob("*.yaml"), *root.glob("*.yml")]) if root.is_dir() else []
    named = [file for file in files if file.stem == "data"]
    if named:
        return named[0]
    return files[0] if len(files) == 1 and b"names:" in files[0].read_bytes() else None


def _read(path: Path) -> dict[Any, Any]:
    try:
        content = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not YAML: {' '.join(str(error).split())}; correct the file") from error
    if not isinstance(content, dict) or not {"names", "nc"} & content.keys():
        raise DataError(f"{path}: it has no names of classes; write names: [first, second]")
    if "kpt_shape" in content:
        raise DataError(f"{path}: kpt_shape: its labels have key points; export the data set for detection")
    return content


def _names(path: Path, content: dict[Any, Any]) -> tuple[str, ...]:
    """The classes. Ultralytics calls them class_0, class_1... if the file only gives their number, nc."""
    num, names = content.get("nc"), content.get("names")
    if num is not None and (type(num) is not int or num < 1):
        raise DataError(f"{path}: nc is {num!r}; write the number of classes, or remove it")
    if names is None and num is None:
        raise DataError(f"{path}: there are no classes; write names: [first, second]")
    if names is None:
        return tuple(f"class_{k}" for k in range(num or 0))
    if isinstance(names, dict):
        keys = {str(key): value for key, value in names.items()}
        if keys.keys() != {str(k) for k in range(len(names))}:
            raise DataError(f"{path}: names has the keys {', '.join(keys)}; number the classes from 0 without gaps")
        names = [keys[str(k)] for k in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{path}: names is {names!r}; write a list, [first, second]")
    if not all(type(name) in (str, int, float) and str(name).strip() for name in names):
        raise DataError(f"{path}: names is {names!r}; put each name in quotes, since YAML reads no and yes as flags")
    classes = tuple(str(name).strip() for name in names)
    if len(set(classes)) != len(classes):
        raise DataError(f"{path}: names has a class twice: {', '.join(classes)}; rename one")
    if num not in (None, len(classes)):
        raise DataError(f"{path}: nc is {num}, but there are {len(classes)} names; correct one of them")
    return classes


def _images(path: Path, content: dict[Any, Any], split: str, tally: Tally) -> list[Path]:
    """The images of a split, whose entry is a folder, a text file with a path a line, or a list of these."""
    entries = content[split] if isinstance(content[split], list) else [content[split]]
    bases = _bases(path, content)
    images: dict[Path, None] = {}
    for entry in entries:
        if not isinstance(entry, str):
            raise DataError(f"{path}: {split}: {entry!r} is no path; write a folder, a text file, or a list of them")
        found = _find(entry, bases, f"{path}: {split}", tally)
        for image in _of_folder(found, tally) if found.is_dir() else _of_list(found, bases):
            if image in images:
                tally.add("images listed twice, read once", image)
            images[image] = None
    if not images:
        raise DataError(f"{path}: {split}: there are no images in {', '.join(entries)}")
    return list(images)


def _bases(path: Path, content: dict[Any, Any]) -> list[Path]:
    """The folders that paths may be relative to: `path` of the YAML file, and its own folder."""
    folder, given = path.absolute().parent, content.get("path")
    if given is not None and not isinstance(given, str):
        raise DataError(f"{path}: path is {given!r}; write the folder of the data set, or remove it")
    return [folder / Path(given).expanduser(), folder] if given else [folder]


def _find(entry: str, bases: Sequence[Path], place: str, tally: Tally) -> Path:
    """The existing file or folder of an entry; Roboflow writes ../train/images for train/images beside data.yaml."""
    names = [entry, entry.removeprefix("../")]
    paths = [Path(os.path.normpath(base / name)) for name in names for base in bases]
    for path in paths:
        if path.exists():
            if path != paths[0]:
                tally.say(f"{entry} does not exist as {place} writes it, so {path} was read")
            return path
    searched = ", ".join(map(str, dict.fromkeys(paths)))
    raise DataError(f"{place}: {entry} does not exist; searched {searched}; correct the path, or remove `path`")


def _of_folder(root: Path, tally: Tally) -> Iterator[Path]:
    """The images of a folder and of those in it."""
    for name, folders, names in os.walk(root, followlinks=True):
        folders.sort()
        files = [Path(name) / file for file in sorted(names)]
        images = [file for file in files if is_image(file)]
        for file in filter(is_other_image, files):
            tally.add("images of a format that is not read (convert them to PNG)", file)
        stems, labels = {image.stem for image in images}, label_path(Path(name) / "image.jpg").parent
        if images and labels != Path(name) and labels.is_dir():
            for file in sorted(labels.glob("*.txt")):
                if file.stem not in stems and file.name != "classes.txt":
                    tally.add("label files without an image, not read", file)
        yield from images


def _of_list(path: Path, bases: Sequence[Path]) -> Iterator[Path]:
    """The images of a text file, with paths relative to it or to the data set."""
    files = Listing()
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        name = line.strip()
        images = [Path(os.path.normpath(base / name)) for base in (path.parent, *bases)] if name else []
        found = next((image for image in images if files.exists(image)), None)
        if images and found is None:
            raise DataError(f"{path}:{number}: {images[0]} is missing; add it, or remove the line")
        if found and not is_image(found):
            raise DataError(
                f"{path}:{number}: {name} is no image that is read: JPEG, PNG, WebP, BMP or GIF; convert it"
            )
        if found:
            yield found


def _rows(path: Path, num_classes: int, tally: Tally) -> Iterator[tuple[str, int, Box]]:
    """The place, class and box of each row; the box is xyxy in shares of the image."""
    try:
        lines = _read_text(path).splitlines()
    except FileNotFoundError:
        tally.add("images without a label file, which therefore have no objects", path)
        return
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        tally.add("images with an empty label file, which have no objects", path)
    for number, row in rows:
        place = f"{path}:{number}"
        try:
            label, *values = map(float, row)
        except ValueError:
            raise DataError(f"{place}: {' '.join(row)[:80]!r} is not a row of numbers; correct or remove it") from None
        if len(row) != 5 and (len(row) < SHORTEST_POLYGON or len(row) % 2 == 0):
            raise DataError(
                f"{place}: a row of {len(row)} numbers; write a class and the box's x, y, width and height, "
                "or a class and the x and y of three or more points"
            )
        if not (label.is_integer() and 0 <= label < num_classes):
            raise DataError(f"{place}: the class is {row[0]}; data.yaml has the classes 0 to {num_classes - 1}")
        if not all(LOWEST <= value <= HIGHEST for value in values):
            raise DataError(f"{place}: a coordinate is outside of 0 to 1; divide by the image's width and height")
        if len(values) == 4:
            x, y, width, height = values
            yield place, int(label), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        else:
            xs, ys = values[::2], values[1::2]
            yield place, int(label), (min(xs), min(ys), max(xs), max(ys))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file: {error}; save it as UTF-8") from error
