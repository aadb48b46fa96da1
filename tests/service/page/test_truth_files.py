"""The page's readers of ground truth: what each file says, and one sentence for each file that is broken."""

import json
from typing import Any

from playwright.sync_api import Page

READ = """async ([name, bytes]) => {
    const { readTruth } = await import(new URL("page/truth/read.js", document.baseURI));
    const { Fault } = await import(new URL("page/truth/fault.js", document.baseURI));
    try {
        return await readTruth(new File([new Uint8Array(bytes)], name));
    } catch (error) {
        if (error instanceof Fault) return error.message;
        throw error;
    }
}"""
BOX = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
CELL: dict[str, Any] = {"id": 5, "image_id": 1, "category_id": 3, "bbox": [10, 20, 20, 20]}
COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "train/a.jpg", "width": 64, "height": 48}],
    "annotations": [CELL],
    "categories": [{"id": 3, "name": "cell"}, {"id": 0, "name": "cells"}],
}


def read(modules: Page, name: str, content: str | bytes) -> Any:
    data = content if isinstance(content, bytes) else content.encode()
    return modules.evaluate(READ, [name, list(data)])


def voc(objects: str, attributes: str = "") -> str:
    size = "<size><width>64.0</width><height>48</height></size>"
    return f"<annotation{attributes}><filename>b.jpg</filename>{size}{objects}</annotation>"


def coco(**changes: Any) -> str:
    return json.dumps(COCO | changes)


NAMES = [
    ("classes.txt", "red\nlight green\n\n"),
    ("obj.names", "red\nlight green"),
    ("data.yaml", "train: images  # here\nnc: 2\nnames: ['red', \"light green\"]\n"),
    ("data.yaml", "names: [red,\n  light green]\nnc: 2"),
    ("data.yml", "names: {0: red, 1: 'light green'}  # two"),
    ("data.yaml", "names:\n  - red\n  - light green  # the second\ntrain: images"),
    ("data.yaml", "nc: 2\nnames:\n- 'red'\n- light green\n"),
    ("data.yaml", 'path: .\n\nnames:\n  0: red\n\n  1: "light green"\nval: images'),
]
FAULTS: list[tuple[str, str | bytes, str]] = [
    ("a.xml", "<annotation><object>", "it is not well-formed XML: <object> is not closed; it starts in line 1"),
    ("a.xml", "<annotation>\n<object></name>", "it is not well-formed XML: </name> closes no <name> in line 2"),
    ("a.xml", voc("<name>red & green</name>"), "it is not well-formed XML: there is a stray “&” in line 1"),
    ("a.xml", "<html></html>", "its outermost tag is <html>; Pascal VOC's is <annotation>"),
    ("a.xml", voc("<object></object>"), "object 1 has no name"),
    ("a.xml", voc("<object><name>cell</name></object>"), "object 1 (cell) has no bndbox with xmin, ymin, xmax, ymax"),
    (
        "a.xml",
        voc(f"<object><name>cell</name>{BOX.replace('11', 'x')}</object>"),
        "object 1 (cell): xmin is “x”, and must be a number",
    ),
    (
        "a.xml",
        voc(f"<object><name>cell</name>{BOX}<difficult>2</difficult></object>"),
        "object 1 (cell): difficult is “2”, and must be 0 or 1",
    ),
    ("a.xml", voc(f"<part><object>{BOX}</object></part>"), "it has an <object> that is not directly in <annotation>"),
    ("a.xml", "hello", "it is not XML"),
    ("c.json", "hello", "it is not JSON"),
    ("c.json", "[]", "it is not MS COCO's ground truth, because “images” is missing or is no list of objects"),
    ("c.json", coco(annotations=[CELL | {"image_id": 2}]), "annotation 5: no image has its image_id 2"),
    ("c.json", coco(annotations=[CELL | {"category_id": 2}]), "annotation 5: no category has its category_id 2"),
    (
        "c.json",
        coco(annotations=[CELL | {"bbox": [1, 2, 3, 4, 5]}]),
        "annotation 5: its bbox is [1,2,3,4,5], and must be the numbers [x, y, width, height]",
    ),
    ("c.json", coco(images=COCO["images"] * 2), "two images have the id 1"),
    ("c.json", coco(categories=COCO["categories"] * 2), "two categories have the id 3"),
    ("a.txt", "0 0.5 0.5 0.1 0.1\nhello you", "line 2 is “hello you”, and must be a row of numbers"),
    (
        "a.txt",
        "0 0.5 0.5 0.1 0.1 0.9",
        "line 1 has 6 numbers, and must have a class and a box (x, y, width, height), "
        "or a class and three or more points",
    ),
    ("a.txt", "0.5 0.5 0.5 0.1 0.1", "line 1: the class is 0.5, and must be a number from 0"),
    (
        "a.txt",
        "0 32 20 10 10",
        "line 1: a coordinate is not from 0 to 1; YOLO's are shares of the width and height",
    ),
    ("a.txt", b"\x89PNG\xff\xfe", "it is not a text; save it as UTF-8"),
    (
        "notes.txt",
        "hello",
        "it is no ground truth of VOC, COCO or YOLO; the names of YOLO's classes are in classes.txt or data.yaml",
    ),
    ("classes.txt", "red\n\ngreen", "line 2 is empty, so the numbers are unclear"),
    ("classes.txt", "red\nred", "it has the class “red” twice"),
    (
        "data.yaml",
        "nc: 2",
        "it has no names of classes; write “names: [first, second]”, or a list or a numbered map below “names:”",
    ),
    (
        "data.yaml",
        "names: &all [red]",
        "its names are not understood; write “names: [first, second]”, or a list or a numbered map below “names:”",
    ),
    ("data.yaml", "names: [red]\nnc: 2", "nc is 2, but there are 1 names"),
    ("data.yaml", "names: {1: red}", "its names must be numbered from 0 without gaps, in order"),
]


def test_voc_files_are_read_in_each_form_that_tools_write(modules: Page) -> None:
    plain = f"<object><name> cell </name><difficult>1</difficult>{BOX}</object>"
    polygon = "<polygon><x1>11</x1><y1>21</y1><x2>30</x2><y2>40</y2><x3>11</x3><y3>40</y3></polygon>"
    drawn = f"<object><name>cell</name>{polygon}</object>"
    for text in (voc(plain + drawn), "\ufeff" + voc(plain + drawn, ' xmlns="http://x"')):
        (image,) = read(modules, "a.xml", text)["images"]
        assert image["names"] == ["a.xml", "b.jpg"]
        assert image["size"] == {"width": 64, "height": 48}
        assert image["objects"] == [
            {"name": "cell", "box": [10, 20, 30, 40], "isDifficult": True},
            {"name": "cell", "box": [10, 20, 30, 40], "isDifficult": False},
        ]
    assert read(modules, "a.xml", voc("").replace("64.0", "0"))["images"][0]["size"] is None
    latin = f'<?xml version="1.0" encoding="ISO-8859-1"?>{voc(plain.replace("cell", "zelle ä"))}'.encode("latin-1")
    assert read(modules, "a.xml", latin)["images"][0]["objects"][0]["name"] == "zelle ä"
    assert read(modules, "a.xml", voc(plain).encode("utf-16"))["images"][0]["objects"][0]["name"] == "cell"


def test_coco_files_are_read_in_each_form_that_tools_write(modules: Page) -> None:
    drawn = {**CELL, "bbox": [], "segmentation": [[10, 20, 30, 20, 30, 40]], "iscrowd": 1}
    (image,) = read(modules, "c.json", coco(annotations=[CELL, drawn]))["images"]
    assert image == {
        "names": ["train/a.jpg"],
        "size": {"width": 64, "height": 48},
        "objects": [
            {"name": "cell", "box": [10, 20, 30, 40], "isCrowd": False},
            {"name": "cell", "box": [10, 20, 30, 40], "isCrowd": True},
        ],
    }
    unsized = [{"id": 1, "file_name": "a.jpg", "width": 0, "height": 0}]
    assert read(modules, "c.json", coco(images=unsized))["images"][0]["size"] is None


def test_yolo_files_are_read_in_each_form_that_tools_write(modules: Page) -> None:
    (image,) = read(modules, "a.txt", "1 0.5 0.5 0.5 0.25\r\n\r\n0 0.25 0.25 0.75 0.25 0.75 0.5\n")["images"]
    assert image["names"] == ["a.txt"]
    assert image["objects"] == [
        {"number": 1, "box": [0.25, 0.375, 0.75, 0.625], "isShares": True},
        {"number": 0, "box": [0.25, 0.25, 0.75, 0.5], "isShares": True},
    ]
    assert read(modules, "a.txt", "")["images"] == [{"names": ["a.txt"], "size": None, "objects": []}]


def test_the_names_of_yolos_classes_are_read(modules: Page) -> None:
    for name, text in NAMES:
        assert read(modules, name, text) == {"format": "names", "images": [], "classNames": ["red", "light green"]}


def test_a_broken_file_is_named_with_its_fault(modules: Page) -> None:
    for name, content, fault in FAULTS:
        assert read(modules, name, content) == f"{name}: {fault}."
