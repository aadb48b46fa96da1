"""The MS COCO layout: annotations/instances_SPLIT.json, with the images in SPLIT/, images/SPLIT/ or images/.

A split without annotations, such as test-dev2017, has image_info_SPLIT.json instead. In Roboflow's exports each split
is a folder with its images and _annotations.coco.json.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from models.data.data_set import CocoSource, DataError, DataSet
from models.data.reading.annotation import Tally, index_of_class, inner_path, pick_split, read_flag, read_size
from models.data.reading.image_files import Listing
from models.data.reading.samples import ObjectList, make_samples

KINDS = ("instances", "image_info")
EXPORT = "_annotations.coco.json"
NUMBERS = frozenset([int, float])
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _File:
    """An annotation file: its entries are dictionaries, whose fields are unchecked."""

    path: Path
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    is_annotated: bool


def is_coco(root: Path) -> bool:
    """Whether `root` has the layout of MS COCO."""
    return any(any((root / "annotations").glob(f"{kind}_*.json")) for kind in KINDS)


def is_coco_export(root: Path) -> bool:
    """Whether `root` has a folder for each split, with its annotation file beside the images."""
    return any(root.glob(f"*/{EXPORT}"))


def read_coco(root: Path, split: str, classes: tuple[str, ...] | None = None) -> DataSet:
    """Read one split. The default classes are its categories in the order of their ids, which may have gaps.

    Images without objects are kept. Boxes (x, y, width, height) become xyxy, clipped to the image; boxes without
    area are dropped. An object without a bbox gets the box around its polygons.
    """
    tally = Tally()
    split, path, folders = _find(root, split, tally)
    file = _read(path)
    names = _class_names(file, tally)
    if classes is None:
        classes = tuple(dict.fromkeys(names.values()))
    index = {name: number for number, name in enumerate(classes)}
    paths, sizes, number_of = _images(file, folders)
    objects = ObjectList()
    for number, annotation in enumerate(file.annotations):
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if not _is_id(image) or image not in number_of:
            raise DataError(f"{_place(file, number)}: no image has its image_id {image!r}; correct or remove it")
        if not _is_id(category) or category not in names:
            raise DataError(
                f"{_place(file, number)}: no category has its category_id {category!r}; correct or remove it"
            )
        name = names[category]
        label = index[name] if name in index else index_of_class(name, index, _place(file, number))
        x, y, width, height = _bbox(file, number, tally)
        box = x, y, x + width, y + height
        objects.add(number_of[image], box, label, is_crowd=_is_crowd(file, number))
    samples = make_samples(paths, sizes, objects, lambda number: _place(file, number), tally)
    ids = {name: id_ for id_, name in names.items()}
    source = CocoSource(path, tuple(ids.get(name, -1) for name in classes), tuple(number_of))
    return DataSet(
        root.resolve().name, split, classes, samples, tally.num_dropped, source, file.is_annotated, tally.notes()
    )


def _find(root: Path, split: str, tally: Tally) -> tuple[str, Path, list[Path]]:
    """The split, its annotation file and the folders that may contain its images."""
    if not is_coco(root):
        existing = {path.parent.name for path in root.glob(f"*/{EXPORT}")}
        split = pick_split(split, existing, root / split / EXPORT, tally)
        return split, root / split / EXPORT, [root / split]
    folder = root / "annotations"
    files = {
        path.stem.removeprefix(f"{kind}_"): path for kind in reversed(KINDS) for path in folder.glob(f"{kind}_*.json")
    }
    split = pick_split(split, files, folder / f"instances_{split}.json", tally)
    whole = split.replace("-dev", "")  # test-dev2017 is a part of test2017
    names = dict.fromkeys((split, whole))
    return split, files[split], [*(root / part / n for n in names for part in ("", "images")), root / "images", root]


def _read(path: Path) -> _File:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}; export the annotations again") from error
    is_annotated = not path.name.startswith("image_info_")
    keys = ("images", "annotations", "categories") if is_annotated else ("images", "categories")
    for key in keys:
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(f"{path}: not an annotation file of MS COCO: {key!r} is missing or is no list of objects")
    if not content["images"]:
        raise DataError(f"{path}: it contains no images")
    annotations = content["annotations"] if is_annotated else []
    return _File(path, content["images"], annotations, content["categories"], is_annotated)


def _class_names(file: _File, tally: Tally) -> dict[int, str]:
    """The names of the classes by category id, in the order of their ids.

    Roboflow's exports have a category above the classes, which no annotation uses. It is no class, even if its name is
    that of a class. Raises DataError if two categories have one id, or if two that are used have one name.
    """
    used = {id_ for id_ in (a.get("category_id") for a in file.annotations) if _is_id(id_)}
    names: dict[int, str] = {}
    for category in file.categories:
        id_, name = category.get("id"), category.get("name")
        if not _is_id(id_) or not isinstance(name, str | int | float) or not str(name).strip():
            raise DataError(
                f"{file.path}: a category has the id {id_!r} and the name {name!r}; give it a number and a name"
            )
        if id_ in names:
            raise DataError(f"{file.path}: two categories have the id {id_!r}; give each its own")
        names[int(id_)] = str(name).strip()
    groups = {str(c.get("supercategory")) for c in file.categories if c.get("supercategory") != c["name"]}
    tops = {c["id"] for c in file.categories if c.get("supercategory") in (None, "none") and names[c["id"]] in groups}
    classes: dict[str, int] = {}
    for id_ in sorted(names):
        name, other = names[id_], classes.get(names[id_])
        if other is not None and id_ in used and other in used:
            raise DataError(f"{file.path}: the categories {other!r} and {id_!r} are both called {name!r}; rename one")
        if id_ in tops and id_ not in used:
            tally.add("categories that group others and have no objects, not read as classes", f"{id_!r}, {name!r}")
        elif other is None:
            classes[name] = id_
        else:
            classes[name] = id_ if id_ in used else other
            unused = other if id_ in used else id_
            tally.add("categories without objects that have the name of a class, not read", f"{unused!r}, {name!r}")
    return {id_: name for name, id_ in classes.items()}


def _images(file: _File, folders: list[Path]) -> tuple[list[Path], list[tuple[int, int]], dict[int, int]]:
    """The paths and sizes of the images, and their numbers by id."""
    paths: list[Path] = []
    sizes, number_of, names, files = [], {}, set(), Listing()
    missing = []
    folder = None
    for number, image in enumerate(file.images):
        id_, name = image.get("id"), image.get("file_name")
        place = f"{file.path}: image {id_!r}"
        if not _is_id(id_) or not isinstance(name, str):
            raise DataError(f"{place} has the file_name {name!r}; give each image a number as its id, and a file_name")
        if id_ in number_of or name in names:
            raise DataError(f"{place} ({name}): another image has this {'id' if id_ in number_of else 'file_name'}")
        number_of[int(id_)] = number
        names.add(name)
        inner = inner_path(name, place)
        if folder is None:
            folder = next((f for f in folders if files.exists(f / inner)), folders[0])
        paths.append(folder / inner)
        sizes.append(read_size(image.get("height"), image.get("width"), place))
        if not files.exists(paths[-1]):
            missing.append(paths[-1])
    if missing:
        others = f", and so are {len(missing) - 1} others" if len(missing) > 1 else ""
        raise DataError(
            f"{missing[0]}: annotated, but the image is missing{others}; searched {', '.join(map(str, folders))}"
        )
    return paths, sizes, number_of


def _is_id(value: object) -> TypeGuard[int]:
    """Whether a value is an integer; JSON may write it as 1.0."""
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _place(file: _File, number: int) -> str:
    annotation = file.annotations[number]
    name = f"annotation {annotation['id']!r}" if "id" in annotation else f"annotations[{number}]"
    return f"{file.path}: {name}"


def _bbox(file: _File, number: int, tally: Tally) -> Box:
    """(x, y, width, height) of an annotation; without a bbox those of the box around its polygons."""
    annotation = file.annotations[number]
    box = annotation.get("bbox")
    if not box:
        box = _around(annotation.get("segmentation"))
        if box:
            tally.add("boxes around polygons, for want of a bbox", _place(file, number))
    if not isinstance(box, list) or len(box) != 4 or not NUMBERS.issuperset(map(type, box)):
        shown = repr(annotation.get("bbox"))[:80]
        raise DataError(f"{_place(file, number)}: its bbox is {shown}; write the numbers [x, y, width, height]")
    try:
        x, y, width, height = map(float, box)
    except OverflowError:  # an integer of hundreds of digits
        x = y = width = height = math.inf
    return x, y, width, height


def _around(segmentation: object) -> list[float] | None:
    """[x, y, width, height] around polygons, lists of x and y in turn; None if it is anything else."""
    polygons = segmentation if isinstance(segmentation, list) else []
    if not polygons or not all(isinstance(polygon, list) and len(polygon) % 2 == 0 for polygon in polygons):
        return None
    values = [value for polygon in polygons for value in polygon]
    if not values or not NUMBERS.issuperset(map(type, values)):
        return None
    xs, ys = values[::2], values[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _is_crowd(file: _File, number: int) -> bool:
    crowd = file.annotations[number].get("iscrowd", 0)
    return bool(crowd) if crowd in (0, 1) else read_flag(crowd, "iscrowd", _place(file, number))


def read_truth(source: CocoSource) -> dict[str, Any]:
    """The annotation file for pycocotools, which demands bbox, area and iscrowd, and takes the id 0 for no match."""
    file = _read(source.annotations)
    annotations = []
    for number, annotation in enumerate(file.annotations):
        box, area = _bbox(file, number, Tally()), annotation.get("area")
        annotations.append(
            {
                "id": number + 1,
                "image_id": annotation["image_id"],
                "category_id": annotation["category_id"],
                "bbox": list(box),
                "area": area if type(area) in NUMBERS else box[2] * box[3],
                "iscrowd": int(_is_crowd(file, number)),
            }
        )
    return {"info": {}, "images": file.images, "categories": file.categories, "annotations": annotations}
