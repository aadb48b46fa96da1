"""A server of files by HTTP in this process, which can refuse, cut short and hold back files."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.bundle import Bundle
from tests.tiny_bundle import write_tiny_bundle

SECONDS = 30


@dataclass
class Website:
    """The files of `folder` are at `url`; `gets` are the paths of the requests, with their queries."""

    folder: Path
    url: str = ""
    gets: list[str] = field(default_factory=list)
    private: set[str] = field(default_factory=set)  # the paths that it refuses
    cuts: set[str] = field(default_factory=set)  # the paths of which it sends only a half
    held: set[str] = field(default_factory=set)  # the same, but the other half follows after `go`
    half_sent: threading.Event = field(default_factory=threading.Event)  # of a held file
    go: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def website(tmp_path: Path) -> Iterator[Website]:
    """A website of an empty folder."""
    site = Website(tmp_path / "website")
    site.folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            site.gets.append(self.path)
            if path in site.private:
                self.send_error(403)
            elif path in site.cuts | site.held:
                self.send_halves(path)
            else:
                super().do_GET()

        def send_halves(self, path: str) -> None:
            content = (site.folder / path[1:]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            if path in site.held:
                site.half_sent.set()
                assert site.go.wait(SECONDS)
                self.wfile.write(content[len(content) // 2 :])

        def translate_path(self, path: str) -> str:
            return str(site.folder / Path(super().translate_path(path)).relative_to(Path.cwd()))

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that goes away is no error of the server."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        yield site
        site.go.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def remote(website: Website) -> Bundle:
    """A bundle of the website."""
    return write_tiny_bundle(website.folder / "cards")
