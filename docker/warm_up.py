"""Serve for a moment while the image is built: a server that does not answer makes no image.

What it leaves behind makes containers start fast: the byte code of all modules that a server imports (PYTHONPYCACHEPREFIX) and
the machine code of what Numba compiles (NUMBA_CACHE_DIR).

example:
  python docker/warm_up.py --engine onnx
"""

import http.client
import http.server
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from PIL import Image

KINDS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")  # what service/detection/image_header.py knows
START_SECONDS = 300
BOUNDARY = "warm-up"


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes OpenTelemetry's traces, and remembers that some came."""

    is_told = False

    def do_POST(self) -> None:
        """Read them and say that all is well."""
        Collector.is_told = self.path == "/v1/traces" and bool(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main() -> None:
    """Start `python -m service` with the same arguments, ask for everything that loads more code, and stop it."""
    golden = next(Path("service/bundles").glob("*/golden.png")).read_bytes()
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="golden.png"\r\n\r\n'.encode()
    form = part + golden + f"\r\n--{BOUNDARY}--\r\n".encode()
    collector = http.server.HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    environment = os.environ | {"SINGLESHOT_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
    server = subprocess.Popen([sys.executable, "-m", "service", *sys.argv[1:]], env=environment)
    try:
        wait_until_ready(server)
        for path in ("/", "/metrics", "/models", "/openapi.json", "/v2/health/ready"):
            ask("GET", path)
        for kind in KINDS:
            for mode in ("RGB", "L"):
                ask("POST", "/detect", picture(golden, kind, mode))
        for query in ("nms=hard", "format=image"):
            ask("POST", f"/detect?{query}", golden)
        ask("POST", "/detect", form, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        server.send_signal(signal.SIGTERM)
        if status := server.wait(60):
            sys.exit(f"the server stopped with status {status}")
        if not Collector.is_told:
            sys.exit("the server sent no traces")
    finally:
        server.kill()


def picture(golden: bytes, kind: str, mode: str) -> bytes:
    """The golden picture as a file of another kind, in colour or grey."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(golden)) as image:
        image.convert(mode).save(file, kind)
    return file.getvalue()


def wait_until_ready(server: subprocess.Popen[bytes]) -> None:
    """Return once /readyz answers 200; exit where the server does not come up."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            ask("GET", "/readyz")
        except OSError:
            time.sleep(0.2)
        else:
            return
    sys.exit("the server does not become ready")


def ask(method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> None:
    """Send a request; exit unless it is answered with 200. Raises OSError where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        sys.exit(f"{method} {path} was answered with {response.status}: {answer[:500]!r}")


if __name__ == "__main__":
    main()
