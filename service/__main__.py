"""`python -m service`: serve bundles over HTTP."""

import argparse
import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType
from typing import get_args

import cv2
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from service.access import AccessError
from service.app import create_app
from service.bundle import BundleError
from service.connection import connections_of
from service.engine import EngineError, EngineName, Precision
from service.logs import write_logs
from service.server import Server
from service.settings import Settings
from service.tracing import TracingError

SWITCH_SECONDS = 0.0001  # how long a thread of ours may keep the interpreter from one that decodes; Python's own is 5 ms
LINGER_SECONDS = 0.2  # uvicorn would close a connection whose request is still on its way
EXAMPLE = """\
--bundle may be given several times; then exactly those bundles are served, and `--bundle default` adds the one that is
packaged with the server. The first one answers requests that name no model. Every setting is also an environment
variable, e.g. SINGLESHOT_MAX_BATCH=4; the command line wins.

example:
  python -m service --bundle default --bundle runs/cards/bundle --port 8123
  curl --data-binary @photo.jpg 'http://127.0.0.1:8123/detect?score_threshold=0.5'
"""


class DrainingServer(uvicorn.Server):
    """Uvicorn, but SIGTERM turns readiness off, then a grace period passes, then it closes; uvicorn has no hook for that."""

    def __init__(self, config: uvicorn.Config, server: Server, address: str) -> None:
        super().__init__(config)
        self._server = server
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where we are, once we are there."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again and again would hold up requests
        repository = self._server.repository
        names, engine = ", ".join(repository.names()), repository.models[0].engine_description
        print(f"singleshot: serving {names} on {self._address} ({engine})", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM drains; SIGINT, or a second SIGTERM, does so without the grace period. The exit status is 0."""
        if not self.started:
            super().handle_exit(sig, frame)
            return
        is_first = not self._server.is_draining
        self._server.is_draining = True
        grace_seconds = self._server.settings.drain_grace_seconds if is_first and sig == signal.SIGTERM else 0
        self._loop.call_soon_threadsafe(self._loop.call_later, grace_seconds, self._finish)

    def _finish(self) -> None:
        """Close the door, and a moment later, when what was on its way has arrived, the connections."""
        for server in self.servers:
            server.close()
        self._loop.call_later(LINGER_SECONDS, setattr, self, "should_exit", True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until it is told to stop -> exit status."""
    cv2.setNumThreads(1)  # several images are decoded at once; splitting each up as well only adds switching
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        settings = read_settings(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        return fail(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
    write_logs(settings.log_level)
    try:
        listener = listen(settings)
    except OSError as error:
        return fail(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port or --host")
    with listener:
        try:
            app = create_app(settings)
        except (AccessError, BundleError, EngineError, TracingError, OSError) as error:
            return fail(str(error))
        return run(app, settings, listener)


def read_settings(arguments: Sequence[str] | None) -> Settings:
    """The environment's settings, with what the command line sets; raises ValidationError."""
    fields = Settings.model_fields
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Serve detectors over HTTP: POST an image to /detect, get boxes.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--bundle", action="append", dest="bundles", metavar="DIR", help="a bundle to serve (default: `default`)"
    )
    parser.add_argument(
        "--canary", action="append", dest="canaries", metavar="DIR", help="a new version of a served model (default: none)"
    )
    parser.add_argument("--canary-share", type=float, metavar="SHARE", help=fields["canary_share"].description)
    parser.add_argument("--host", help=f"{fields['host'].description} (default: {fields['host'].default})")
    parser.add_argument("--port", type=int, help=f"{fields['port'].description} (default: {fields['port'].default})")
    parser.add_argument("--engine", choices=get_args(EngineName), help=fields["engine"].description)
    parser.add_argument("--precision", choices=get_args(Precision), help=fields["precision"].description)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    return Settings(**given)


def listen(settings: Settings) -> socket.socket:
    """A socket that listens on the host and port, so that a taken port is known before the models load; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def run(app: FastAPI, settings: Settings, listener: socket.socket) -> int:
    """Serve until a signal comes and what was accepted is answered -> exit status."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=connections_of(settings.receive_seconds),
        ws="none",
        timeout_graceful_shutdown=round(settings.drain_limit_seconds),
    )
    server = DrainingServer(config, app.state.server, f"http://{host}:{listener.getsockname()[1]}/")
    server.run(sockets=[listener])
    return 0


def fail(message: str) -> int:
    """Say what is wrong in one sentence -> exit status 1."""
    print(f"singleshot: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
