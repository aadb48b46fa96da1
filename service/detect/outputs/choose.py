"""The form of output that the command line asks for."""

from functools import partial
from pathlib import Path
from typing import get_args

from service.detect.command_line import FormatName
from service.detect.outputs.coco import read_annotations, write_coco
from service.detect.outputs.csv_table import write_csv
from service.detect.outputs.drawing import draw, drawing_file
from service.detect.outputs.format import Format, OutputError
from service.detect.outputs.yolo import label_file, labels_of

BY_SUFFIX: dict[str, FormatName] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "coco", ".csv": "csv"}


def choose_format(name: FormatName | None, out: Path, annotations: Path | None) -> Format:
    """The form of that name, or without a name the one of the suffix of `out`; raises OutputError."""
    chosen = name or BY_SUFFIX.get(out.suffix.lower())
    if chosen is None:
        raise OutputError(
            f"{out}: its name does not say which output it is; end it in .jsonl, .json (MS COCO) or .csv, or give "
            f"--format {'|'.join(get_args(FormatName))}"
        )
    if annotations is not None and chosen != "coco":
        raise OutputError(f"--annotations gives the ids of MS COCO's results, and the output is {chosen}; leave it out")
    match chosen:
        case "jsonl":
            return Format(chosen)
        case "csv":
            return Format(chosen, convert=write_csv)
        case "coco":
            read = read_annotations(annotations) if annotations else None
            return Format(chosen, convert=partial(write_coco, annotations=read))
        case "yolo":
            return Format(chosen, content=labels_of, file_name=label_file)
        case "images":
            return Format(chosen, content=draw, file_name=drawing_file)
