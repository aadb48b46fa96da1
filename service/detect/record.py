"""The settings of a run, beside its output: whoever goes on with it must use the same."""

import json
from pathlib import Path
from typing import Any

from service.detect.detector import Detector
from service.detect.outputs.format import OutputError
from service.detect.outputs.place import replacing
from service.engines.protocol import Engine

Record = dict[str, Any]


def record_of(detector: Detector, format_name: str, every: int) -> Record:
    """What the results of a picture depend on, and the form of the output."""
    options, manifest = detector.options, detector.manifest
    return {
        "model": manifest.name,
        "version": manifest.version,
        "weights": manifest.files["model.onnx"],
        "engine": engine_option(detector.engine),
        "precision": detector.engine.precision,
        "score_threshold": options.score_threshold,
        "max_detections": options.max_detections,
        "tile": detector.tile,
        "every": every,
        "format": format_name,
    }


def engine_option(engine: Engine) -> str:
    """The value of --engine that opens such an engine."""
    return "onnx-cuda" if engine.name == "onnx" and engine.device != "cpu" else engine.name


def read_record(path: Path) -> Record | None:
    """The record of the earlier run, None if there is none; raises OutputError."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: it cannot be read: {error}; give --restart, or another --out") from error
    if not isinstance(found, dict):
        raise OutputError(f"{path}: it is no record of a run; give --restart, or another --out")
    return found


def check_record(out: Path, before: Record, now: Record) -> None:
    """Raise OutputError if the settings of the earlier run differ."""
    changed = [
        f"{name.replace('_', ' ')} {shown(before.get(name))}, and now {shown(now[name])}"
        for name in now
        if before.get(name) != now[name]
    ]
    if changed:
        raise OutputError(
            f"{out}: it was written with {'; with '.join(changed)}; give the old settings to go on, --restart to write "
            "it anew, or another --out"
        )


def shown(value: object) -> str:
    """A setting for people to read; weights are a long hash."""
    return "none" if value is None else str(value)[:20]


def write_record(path: Path, record: Record) -> None:
    """Write the record, as a whole; raises OSError."""
    with replacing(path) as file:
        file.write(json.dumps(record, indent=2).encode() + b"\n")
