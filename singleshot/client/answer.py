"""What the server answered, in the client's own terms."""

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from singleshot.client.detections import Detection, Detections
from singleshot.client.errors import BusyError, DeadlineError, DetectError

BUSY = frozenset({429, 503})
DEADLINE = 504
STAGE = re.compile(r"([\w-]+);dur=([0-9.]+)")
MAX_DETAIL = 500  # characters of a body that is no problem of this server


@dataclass(frozen=True)
class Answer:
    """The answer to one try. The headers' names count in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        """The id by which the server's log knows the request; empty if another server answered."""
        return self.headers.get("x-request-id", "")

    def retry_seconds(self) -> float | None:
        """How long the server wants the client to wait (RFC 9110, section 10.2.3); None if it does not say."""
        text = self.headers.get("retry-after", "")
        try:
            if "retry-after-ms" in self.headers:
                seconds = float(self.headers["retry-after-ms"]) / 1000
            elif text.strip().isdecimal():
                seconds = float(text)
            else:
                seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
        return max(0.0, seconds) if math.isfinite(seconds) else None

    def json(self) -> Any:
        """The body; raises DetectError if it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise self.unreadable(f"the answer is no JSON: {error}") from error

    def unreadable(self, detail: str) -> DetectError:
        """The error for an answer of another form than this server's."""
        return DetectError(f"{detail}; is it a Singleshot server?", status=self.status, request_id=self.request_id)


def detections_of(answer: Answer) -> Detections:
    """The detections in a good answer of /detect; raises DetectError if it has another form."""
    content = answer.json()
    try:
        (result,) = content["results"]
        return Detections(
            objects=tuple(_detection_of(row) for row in result["detections"]),
            width=int(result["width"]),
            height=int(result["height"]),
            model=str(content["model"]),
            version=str(content["version"]),
            request_id=answer.request_id,
            stage_seconds=stage_seconds_of(answer.headers.get("server-timing", "")),
            views=int(result.get("views", 1)),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise answer.unreadable("the answer holds no detections") from error


def _detection_of(row: Any) -> Detection:
    box = row["box"]
    corners = float(box["x1"]), float(box["y1"]), float(box["x2"]), float(box["y2"])
    return Detection(str(row["label"]), int(row["class_id"]), float(row["score"]), corners)


def stage_seconds_of(server_timing: str) -> dict[str, float]:
    """The stages of a Server-Timing header (W3C) that have a duration -> seconds."""
    stages = {}
    for name, milliseconds in STAGE.findall(server_timing):
        try:
            stages[name] = round(float(milliseconds) / 1000, 6)
        except ValueError:
            continue
    return stages


def error_of(answer: Answer) -> DetectError:
    """The error for an answer other than 200, in the server's own words (RFC 9457) as far as it has some."""
    location = answer.headers.get("location")
    if 300 <= answer.status < 400 and location:
        return DetectError(f"the server redirects to {location}; give the client that address", status=answer.status)
    try:
        problem = json.loads(answer.body)
        title, detail = str(problem["title"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        title, detail = "", answer.body.decode(errors="replace").strip()[:MAX_DETAIL] or "the answer is empty"
    kind = BusyError if answer.status in BUSY else DeadlineError if answer.status == DEADLINE else DetectError
    return kind(detail, status=answer.status, title=title, request_id=answer.request_id)
