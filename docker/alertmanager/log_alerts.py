"""The default receiver of alerts: takes Alertmanager's webhook and writes each alert as a JSON line to stderr.

A line has `time`, `level`, `status` (firing or resolved), `receiver`, `alert`, `labels`, `summary`, `runbook`, and the
times `since` and `until`, of which the last one is null while the alert fires. docs of the webhook:
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import json
import re
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 9094
MAX_BYTES = 2**21  # 2,000 alerts; compose allows this process 64 MB
LEVELS = {"page": "error", "ticket": "warning"}


def lines(message: dict[str, Any], receiver: str, now: datetime) -> list[str]:
    """One JSON line for each alert of a webhook's message; raises KeyError or the like if it is no such message."""
    found = []
    for alert in message["alerts"]:
        labels, annotations = dict(alert["labels"]), alert["annotations"]
        is_resolved = alert["status"] == "resolved"
        line = {
            "time": now.isoformat(timespec="milliseconds"),
            "level": "info" if is_resolved else LEVELS.get(receiver, "warning"),
            "status": alert["status"],
            "receiver": receiver,
            "alert": labels.pop("alertname"),
            "labels": labels,
            "summary": annotations.get("summary", ""),
            "runbook": annotations.get("runbook", ""),
            "since": alert["startsAt"],
            "until": alert["endsAt"] if is_resolved else None,
        }
        found.append(json.dumps(line))
    return found


class Receiver(BaseHTTPRequestHandler):
    """Answers 200 if the alerts of a POST are written. Alertmanager counts what is refused as failed."""

    timeout = 10.0

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,9}", size):
            self.send_error(400, "Content-Length is not a number of bytes")
            return
        if int(size) > MAX_BYTES:
            self.send_error(413)
            return
        try:
            written = lines(json.loads(self.rfile.read(int(size))), self.path.strip("/"), datetime.now(UTC))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.send_error(400, f"no message of Alertmanager's webhook: {error!r}")
            return
        sys.stderr.write("".join(f"{line}\n" for line in written))
        sys.stderr.flush()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Only the alerts are written."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Receiver).serve_forever()
