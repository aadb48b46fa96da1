"""A newcomer at the terminal: runs the README's blocks in order, and holds the answers against the printed ones."""

import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.readme.blocks import Block

NOT_RUN, LONG = "not run: ", "from top to bottom only: "  # how a comment above a block says that it is not run
SECONDS = 900  # for one command; `make develop` downloads gigabytes
SERVERS = re.compile(r"^(make serve|singleshot serve|python -m service(?= |$))")
# The README's server answers at this address.
ADDRESS = "http://localhost:8000"


class Session:
    """Runs commands in `folder`, with `programs` first in the PATH.

    `substitutes` are replaced in each command: what a test must shorten. The first server that a block starts stays,
    and later commands reach it instead of ADDRESS. Each further server must become ready, and is then stopped.
    """

    def __init__(self, folder: Path, programs: Path, substitutes: Mapping[str, str], environment: Mapping[str, str]):
        self.folder = folder
        self.substitutes = substitutes
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, **environment}
        self.address: str | None = None
        self.output = ""  # of the last command

    def run(self, blocks: list[Block], long: bool) -> Iterator[tuple[str, float]]:
        """Run what can be run -> each command and its seconds."""
        with self.keeping() as servers:
            for block in blocks:
                if block.mark.startswith(NOT_RUN) or (block.mark.startswith(LONG) and not long):
                    continue
                if block.language == "json":
                    check_json(block, self.output)
                    continue
                programs = [f"python -c {shlex.quote(block.text)}"] if block.language == "python" else block.commands
                for program in programs:
                    start = time.monotonic()
                    if SERVERS.match(program):
                        servers(block, program)
                    else:
                        self.call(block, self.shortened(program))
                    yield program.splitlines()[0], time.monotonic() - start

    def shortened(self, command: str) -> str:
        for words, others in self.substitutes.items():
            command = command.replace(words, others)
        return command.replace(ADDRESS, self.address or ADDRESS)

    def call(self, block: Block, command: str) -> None:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{block.place}: {command}: status {done.returncode}: {done.stderr[-2000:]}"
        self.output = done.stdout

    @contextmanager
    def keeping(self) -> Iterator[Callable[[Block, str], None]]:
        """Starts servers; the first one stays up to the end."""
        with ExitStack() as stack:

            def serve(block: Block, program: str) -> None:
                port = re.search(r"--port (\d+)", program)
                assert self.address is None or (port and port[1] != "8000"), f"{block.place}: port 8000 is taken"
                server = Server(self.shortened(program), self.folder, self.environment, block.place)
                if self.address is None:
                    stack.callback(server.stop)
                    self.address = server.address
                else:
                    server.stop()

            yield serve


class Server:
    """A server that is ready, at `address`; raises AssertionError with its log if it does not become ready."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str], place: str):
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stderr is not None
        log, found = "", None
        for line in iter(self.process.stderr.readline, ""):
            log += line
            found = re.search(r"serving .* on (http://[\w.]+:\d+)/", line)
            if found:
                break
        else:
            self.process.stderr.close()
            self.process.wait(timeout=60)
        assert found, f"{place}: {command}: it did not become ready: {log[-2000:]}"
        self.address = found[1]
        # a server that cannot write its log would wait
        self.reader = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.reader.start()

    def stop(self) -> None:
        """Stop it as Ctrl-C does, which reaches all processes of a terminal."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(timeout=60)
        self.reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        assert status in (0, 2, 130, -signal.SIGINT), status  # make ends with 2 or 130


def check_json(block: Block, output: str) -> None:
    """The output is the printed JSON, where `…` stands for further elements of a list."""
    printed = json.loads(block.text.replace(", …", ', "…"'))
    assert_alike(json.loads(output), printed, block.place)


def assert_alike(answer: Any, printed: Any, place: str) -> None:
    if isinstance(printed, dict):
        assert isinstance(answer, dict), place
        assert answer.keys() == printed.keys(), place
        for name, value in printed.items():
            assert_alike(answer[name], value, f"{place}: {name}")
    elif isinstance(printed, list):
        more = printed[-1:] == ["…"]
        wanted = printed[:-1] if more else printed
        assert len(answer) > len(wanted) if more else len(answer) == len(wanted), place
        for one, other in zip(answer, wanted, strict=False):
            assert_alike(one, other, place)
    elif isinstance(printed, float):
        assert abs(answer - printed) < 0.05, f"{place}: {answer}, printed {printed}"
    else:
        assert answer == printed, f"{place}: {answer!r}, printed {printed!r}"
