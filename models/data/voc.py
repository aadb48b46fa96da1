"""The Pascal VOC layout: Annotations/*.xml, JPEGImages/*.jpg, ImageSets/Main/SPLIT.txt.

In Roboflow's exports each split is a folder instead, with the annotations beside the images: train/*.xml, train/*.jpg.
"""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.data.data_set import DataError, DataSet
from models.data.reading.annotation import Tally, index_of_class, inner_path, pick_split, read_flag, read_size
from models.data.reading.image_files import Listing, is_image
from models.data.reading.samples import ObjectList, make_samples

CORNERS = ("xmin", "ymin", "xmax", "ymax")
FLAGGED = re.compile(r"(.+?)\s+(?:-1|0|1)")  # a line of a split of one class, such as cat_train.txt
POINT = re.compile(r"[xy]\d*")
SUFFIX = re.compile(r"\.(xml|jpe?g|png|webp|bmp|gif)$", re.IGNORECASE)

_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Object:
    label: str
    box: _Box
    is_difficult: bool
    place: str


@dataclass(frozen=True)
class _Annotation:
    """One XML file: the image's name, which may be missing, its size (height, width) and its objects."""

    file_name: str
    size: tuple[int, int]
    objects: list[_Object]


def is_voc(root: Path) -> bool:
    """Whether `root` has the layout of Pascal VOC."""
    return (root / "Annotations").is_dir() and (root / "ImageSets" / "Main").is_dir()


def is_voc_export(root: Path) -> bool:
    """Whether `root` has a folder for each split, with XML files beside images."""
    return any(_split_folders(root))


def read_voc(root: Path, split: str, classes: tuple[str, ...] | None = None) -> DataSet:
    """Read one split. The default classes are those of all its annotations, sorted.

    VOC counts pixels from 1 and includes the last: (xmin, ymin, xmax, ymax) becomes (xmin - 1, ymin - 1, xmax, ymax).
    Boxes are clipped to the image. Boxes without area, or with xmax = xmin or ymax = ymin in the file, are dropped.
    """
    tally = Tally()
    if is_voc(root):
        split, paths, images = _of_tree(root, split, tally)
    else:
        split, paths, images = _of_folder(root, split, tally)
    parsed = [_parse(path, tally) for path in paths]
    if classes is None:
        classes = tuple(sorted({o.label for annotation in parsed for o in annotation.objects}))
    index = {name: number for number, name in enumerate(classes)}
    objects, places, files = ObjectList(), [], Listing()
    for number, annotation in enumerate(parsed):
        for o in annotation.objects:
            label = index_of_class(o.label, index, o.place)
            objects.add(number, o.box, label, is_difficult=o.is_difficult)
            places.append(o.place)
    found = [files.find(image, a.file_name) for image, a in zip(images, parsed, strict=True)]
    sizes = [annotation.size for annotation in parsed]
    samples = make_samples(found, sizes, objects, places.__getitem__, tally, smallest=1.0)
    return DataSet(root.resolve().name, split, classes, samples, tally.num_dropped, notes=tally.notes())


def _of_tree(root: Path, split: str, tally: Tally) -> tuple[str, list[Path], list[Path]]:
    """The split, the annotations of its images, and the images without their suffixes."""
    folder = root / "ImageSets" / "Main"
    existing = {path.stem for path in folder.glob("*.txt")}
    split = pick_split(split, existing, folder / f"{split}.txt", tally)
    names = list(_names(root, folder / f"{split}.txt", tally))
    return split, [root / "Annotations" / f"{name}.xml" for name in names], [root / "JPEGImages" / n for n in names]


def _of_folder(root: Path, split: str, tally: Tally) -> tuple[str, list[Path], list[Path]]:
    split = pick_split(split, list(_split_folders(root)), root / split, tally)
    files = sorted((root / split).iterdir())
    paths = [path for path in files if path.suffix.lower() == ".xml"]
    stems = {path.stem for path in paths}
    for path in files:
        if is_image(path) and path.stem not in stems:
            tally.add("images without an annotation, not read", path)
    return split, paths, [path.with_suffix("") for path in paths]


def _split_folders(root: Path) -> Iterator[str]:
    for folder in sorted(root.iterdir() if root.is_dir() else ()):
        if folder.is_dir():
            files = list(folder.iterdir())
            if any(file.suffix.lower() == ".xml" for file in files) and any(map(is_image, files)):
                yield folder.name


def _names(root: Path, path: Path, tally: Tally) -> Iterator[Path]:
    """The names in a split's file. The flags of a split of one class are not used: all its images are read."""
    folder, files = root / "Annotations", Listing()
    seen: set[Path] = set()
    for number, line in enumerate(_read_lines(path), 1):
        if not line:
            continue
        place = f"{path}:{number}"
        flagged = FLAGGED.fullmatch(line)
        without_flag = flagged[1] if flagged else line
        names = [inner_path(name, place) for name in (line, without_flag, SUFFIX.sub("", line))]
        name = next((name for name in names if files.exists(folder / f"{name}.xml")), None)
        if name is None:
            missing = f"{folder / without_flag}.xml"
            raise DataError(f"{missing}: listed in the split, but the annotation is missing; add it, or remove {place}")
        if flagged and name == names[1]:
            tally.add("flags of one class (1, 0, -1) in the split's file, not used: all its images are read", place)
        if name in seen:
            tally.add("images listed twice in the split's file, read once", place)
        else:
            seen.add(name)
            yield name


def _read_lines(path: Path) -> list[str]:
    body = path.read_bytes()
    try:
        text = body.decode("utf-16" if body.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file of image names: {error}; save it as UTF-8") from error
    lines = [line.strip() for line in text.splitlines()]
    if not any(lines):
        raise DataError(f"{path}: the split is empty; write one image name a line")
    return lines


def _parse(path: Path, tally: Tally) -> _Annotation:
    place = f"{path}: not a Pascal VOC annotation"
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, LookupError, ValueError) as error:  # LookupError: an encoding that Python does not know
        raise DataError(f"{place}: {error}") from error
    if root.tag.startswith("{") or any(element.tag.startswith("{") for element in root.iter()):
        raise DataError(f"{place}: its tags have an XML namespace; remove xmlns=... from the file")
    if root.tag != "annotation":
        raise DataError(f"{place}: the outermost tag is <{root.tag}>; it must be <annotation>")
    elements = root.findall("object")
    if sum(element.tag.lower() == "object" for element in root.iter()) != len(elements):
        raise DataError(f"{place}: there is an object that is not an <object> directly in <annotation>; move it there")
    size = read_size(root.findtext("size/height"), root.findtext("size/width"), place)
    objects = [_object(element, f"{path}: object {number}", tally) for number, element in enumerate(elements, 1)]
    return _Annotation((root.findtext("filename") or "").strip(), size, objects)


def _object(element: ET.Element, place: str, tally: Tally) -> _Object:
    label = (element.findtext("name") or "").strip()
    if not label:
        raise DataError(f"{place} has no name; write its class in <name>, or remove it")
    place += f" ({label})"
    boxes = element.findall("bndbox")
    if len(boxes) == 1:
        corners = [_number(boxes[0].findtext(key), key, place) for key in CORNERS]
    else:
        corners = _around_polygon(element, place)
        if boxes or not corners:
            raise DataError(f"{place} has {len(boxes)} bndbox; give it one, with {', '.join(CORNERS)}, or remove it")
        tally.add("boxes around a polygon", place)
    x1, y1, x2, y2 = corners
    is_difficult = read_flag(element.findtext("difficult"), "difficult", place)
    return _Object(label, (x1 - 1, y1 - 1, x2, y2), is_difficult, place)


def _around_polygon(element: ET.Element, place: str) -> list[float]:
    """The corners of the box around an object's polygon, whose tags are x and y or x1, y1, x2...; empty without one."""
    points = [
        (child.tag, _number(child.text, child.tag, place))
        for child in element.iterfind("polygon//*")
        if POINT.fullmatch(child.tag)
    ]
    sides = [[value for tag, value in points if tag[0] == axis] for axis in "xy"]
    return [pick(side) for pick in (min, max) for side in sides] if all(sides) else []


def _number(text: str | None, name: str, place: str) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{place}: {name} is {text!r}; write a number of pixels")
    return number
