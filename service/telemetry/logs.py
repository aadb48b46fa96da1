"""The log on stderr: a JSON object a line, or, at a terminal, a line for a person. It holds no request's secrets."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

Level = Literal["debug", "info", "warning", "error"]

request_id: ContextVar[str] = ContextVar("request_id", default="")
PLAIN_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """One JSON object for each record: time, level, logger, message, request id, the fields of `extra`, exception.

    Every character outside ASCII is escaped, so that no text of a client moves the cursor of a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TerminalFormatter(logging.Formatter):
    """A short line for each record: local time, level, message, and of a request the fields. An exception follows."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and those of its exception."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        is_request = getattr(record, "event", "").startswith("request")
        fields = [f"{name}={value}" for name, value in fields_of(record).items() if is_request and name != "event"]
        lines = [" ".join([time, record.levelname.lower(), record.getMessage(), *fields])]
        if record.exc_info:
            lines += self.formatException(record.exc_info).splitlines()
        return "\n".join(json.dumps(line)[1:-1].replace('\\"', '"') for line in lines)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """The id of the request, if there is one, and the fields of `extra`."""
    current = request_id.get()
    fields: dict[str, object] = {"request_id": current} if current else {}
    return fields | {name: value for name, value in record.__dict__.items() if name not in PLAIN_FIELDS}


def write_logs(level: Level, stream: TextIO | None = None) -> None:
    """Log the server from `level` up, and its libraries from warning up, to `stream`; requests are logged at info.

    Without a `stream`, the log goes to the present sys.stderr. Python's warnings are logged too.
    """
    logging.captureWarnings(True)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(TerminalFormatter() if handler.stream.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("singleshot").setLevel(level.upper())
