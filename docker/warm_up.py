"""Run the server briefly while the image is built: if it does not answer, the build fails.

Its caches make containers start fast: the byte code of all modules that a server imports (PYTHONPYCACHEPREFIX) and the
machine code that Numba compiles (NUMBA_CACHE_DIR).

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
import tempfile
import threading
import time
from pathlib import Path

from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")  # those that service/detection/image_header.py knows
START_SECONDS = 300
BOUNDARY = "warm-up"


class Collector(http.server.BaseHTTPRequestHandler):
    """Accepts OpenTelemetry's traces, and remembers whether any arrived."""

    has_traces = False

    def do_POST(self) -> None:
        """Read the traces and answer 200."""
        Collector.has_traces = self.path == "/v1/traces" and bool(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main() -> None:
    """Start `python -m service` with the same arguments, request everything that loads more code, and stop it."""
    fetch_bundles()
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
        for file_format in FORMATS:
            for mode in ("RGB", "L"):
                ask("POST", "/detect", encoded(golden, file_format, mode))
        for query in ("nms=hard", "format=image", "tile=64"):
            ask("POST", f"/detect?{query}", golden)
        ask("POST", "/detect", form, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        server.send_signal(signal.SIGTERM)
        if status := server.wait(60):
            sys.exit(f"the server exited with status {status} after SIGTERM, not with 0")
        if not Collector.has_traces:
            sys.exit("the server sent no traces")
    finally:
        server.kill()


def fetch_bundles() -> None:
    """Copy the packaged bundle from a server by HTTP and by S3, and load the code for Hugging Face."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    credentials = {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    bundle = next(Path().glob("service/bundles/*"))
    with tempfile.TemporaryDirectory() as folder:
        for place in (address, "s3:/"):
            command = [sys.executable, "-m", "service.fetch", f"{place}/{bundle}", "--out", f"{folder}/{place[:2]}"]
            subprocess.run(command, env=os.environ | credentials, check=True)
    subprocess.run([sys.executable, "-c", "import huggingface_hub.hf_file_system"], check=True)


def encoded(golden: bytes, file_format: str, mode: str) -> bytes:
    """The golden image in another file format, in colour (mode RGB) or grey (mode L)."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(golden)) as image:
        image.convert(mode).save(file, file_format)
    return file.getvalue()


def wait_until_ready(server: subprocess.Popen[bytes]) -> None:
    """Return after /readyz has answered 200; exit if the server stops or START_SECONDS pass before."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            ask("GET", "/readyz")
        except OSError:
            time.sleep(0.2)
        else:
            return
    sys.exit(f"the server did not become ready: it stopped, or {START_SECONDS} s passed; its log above says why")


def ask(method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> None:
    """Send a request; exit unless the answer is 200. Raises OSError if no server listens."""
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        sys.exit(f"{method} {path} was answered with {response.status}: {answer[:500]!r}")


if __name__ == "__main__":
    main()
