"""Files of detections: MS COCO's results, for pycocotools and evaluation servers, and the detections of each image."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from models.data.data_set import DataSet
from models.evaluation.average_precision import ImageResult
from models.evaluation.coco import category_ids, coco_results, coco_truth
from models.replacing import replacing


def write_results(path: Path, data_set: DataSet, results: Sequence[ImageResult]) -> list[str]:
    """Write `path`, MS COCO's results, and its companions -> a line about each file and about what is not in it.

    NAME.images.jsonl has a line for each image, with its detections in the form of the server's answer. If the data are
    annotated, NAME.truth.json is the ground truth with which pycocotools computes the printed AP. Image and category
    ids are those of MS COCO's annotation file; for another layout they count the images of the split and the classes
    from 1, and difficult objects are crowds.
    """
    name = path.name.removesuffix(".json")
    truth, images = path.with_name(f"{name}.truth.json"), path.with_name(f"{name}.images.jsonl")
    num_written = 0
    with replacing(path) as file:
        for num_written, line in enumerate(coco_results(data_set, results), 1):
            file.write(f"{',' if num_written > 1 else '['}\n{json.dumps(line)}")
        file.write("\n]\n" if num_written else "[]\n")
    with replacing(images) as file:
        for line in detections_by_image(data_set, results):
            file.write(json.dumps(line) + "\n")
    ids = category_ids(data_set)
    notes = [f"{path}: {num_written} detections in MS COCO's format of results"]
    num_missing = sum(len(result.labels) for result in results) - num_written
    if num_missing:
        absent = ", ".join(name for name, id_ in zip(data_set.classes, ids, strict=True) if id_ < 0)
        notes.append(f"{path}: without {num_missing} detections of {absent}: the annotation file has no such category")
    if data_set.coco:
        notes.append(f"{path}: its ids are those of {data_set.coco.annotations}")
    if data_set.is_annotated:
        with replacing(truth) as file:
            json.dump(coco_truth(data_set), file)
        notes.append(f"{truth}: the ground truth with the same ids; pycocotools compares the two")
    notes.append(f"{images}: each image's detections")
    return notes


def detections_by_image(data_set: DataSet, results: Sequence[ImageResult]) -> Iterator[dict[str, Any]]:
    """Each image with its detections, as in the server's answer; boxes in pixels of the image."""
    for sample, result in zip(data_set.samples, results, strict=True):
        boxes, scores, labels = result.boxes.astype(float).round(2), result.scores.astype(float).round(6), result.labels
        detections = [
            {
                "label": data_set.classes[label],
                "class_id": label,
                "score": score,
                "box": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
            }
            for box, score, label in zip(boxes.tolist(), scores.tolist(), labels.tolist(), strict=True)
        ]
        yield {"image": str(sample.image_path), "detections": detections}
