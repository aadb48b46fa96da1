"""`python -m service`: serve bundles over HTTP."""

import os
import signal
import sys
from types import FrameType


def end_at_once(number: int, _: FrameType | None) -> None:
    """End the process that a signal stops while it starts, with the status that a shell gives: 130 or 143."""
    os._exit(128 + number)


if __name__ == "__main__":  # before the other imports, which take a second
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end_at_once)

import logging
from collections.abc import Sequence
from contextlib import ExitStack

from pydantic import ValidationError

from service.api.app import create_app
from service.api.auth import AccessError
from service.bundle import BundleError
from service.command_line import parser
from service.command_names import named
from service.engines.protocol import EngineError
from service.environment import EnvironmentVariableError, check_environment, service_links
from service.errors import validation_problems
from service.repository.aliases import AliasError
from service.settings import Settings
from service.telemetry.logs import write_logs
from service.telemetry.standard_streams import open_missing_streams
from service.telemetry.tracing import TracingError
from service.transport.certificate import Certificate, CertificateError
from service.transport.grpc_port import GrpcPort
from service.transport.listening_socket import ListenError
from service.transport.process import listen, run, set_up_threads

logger = logging.getLogger("singleshot")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal stops the server -> exit status: 2 for a bad setting, 1 for another error."""
    open_missing_streams()
    write_logs("info")
    set_up_threads()
    try:
        settings = read_settings(arguments)
    except ValidationError as error:
        return fail(validation_problems(error.errors(), empty_location="the settings"), status=2)
    except EnvironmentVariableError as error:
        return fail(str(error), status=2)
    write_logs(settings.log_level)
    changed = ", ".join(sorted(settings.model_fields_set)) or "none"
    fields = {"event": "settings", "settings": settings.masked()}
    note = "" if "bundles" in settings.model_fields_set else f"; no bundle is given, so {settings.bundles[0]} is served"
    logger.info("settings that are given, the others are the defaults: %s%s", changed, note, extra=fields)
    if settings.api_keys_file:  # SIGHUP waits until the server can read the keys again
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    if links := service_links(os.environ):
        logger.info("ignored, because they are Kubernetes' variables for Services: %s", ", ".join(links))
    with ExitStack() as stack:
        try:
            certificate = Certificate(settings) if settings.ssl_certfile else None
            listener = stack.enter_context(listen(settings))
            is_grpc = settings.grpc_port is not None
            grpc_port = stack.enter_context(GrpcPort(settings, certificate)) if is_grpc else None
        except (CertificateError, ListenError) as error:
            return fail(str(error))
        try:
            app = create_app(settings)
        except (AccessError, AliasError, BundleError, EngineError, TracingError, OSError) as error:
            return fail(str(error))
        return run(app, settings, listener, certificate, grpc_port)


def read_settings(arguments: Sequence[str] | None) -> Settings:
    """The settings of the environment, overridden by the command line.

    Raises ValidationError and EnvironmentVariableError.
    """
    given = {name: value for name, value in vars(parser().parse_args(arguments)).items() if value is not None}
    check_environment(os.environ, Settings.model_fields)
    return Settings(**given)


def fail(message: str, *, status: int = 1) -> int:
    """Log the error in one sentence -> exit status."""
    logger.error("%s", named(message), extra={"event": "start_failed"})
    return status


if __name__ == "__main__":
    sys.exit(main())
