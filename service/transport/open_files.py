"""The files that the process may open, and the connections of clients that leave enough of them."""

import contextlib
import resource

from service.settings import Settings

MAX_FILES = 65_536  # that the process opens at most
NUM_OTHER_FILES = 128  # bundles, engines, libraries, the listening sockets and the connections that linger


def max_connections(settings: Settings) -> int:
    """The connections that a port may have, for which the process may open as many files as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    num_files = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft < num_files:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (num_files, hard))
            soft = num_files
    num_ports = 1 if settings.grpc_port is None else 2
    return max(1, min(settings.max_connections, (soft - NUM_OTHER_FILES) // num_ports))
