"""The environment variables of the server: misspelt ones, and those that Kubernetes adds."""

import difflib
import re
from collections.abc import Iterable, Mapping

PREFIX = "SINGLESHOT_"
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables: a Service named singleshot, or
# singleshot-anything, becomes variables of these names and values in each container of its namespace
URL, ADDRESS, NUMBER, PROTOCOL = r"(tcp|udp|sctp)://\S+:\d+", r"[0-9A-Fa-f.:]+|None", r"\d+", r"tcp|udp|sctp"
SERVICE_LINKS = [
    (re.compile(rf"SINGLESHOT(_[A-Z0-9_]+)?{name}"), re.compile(value))
    for name, value in (
        ("_SERVICE_HOST", ADDRESS),
        ("_SERVICE_PORT(_[A-Z0-9_]+)?", NUMBER),
        (r"_PORT(_\d+_(TCP|UDP|SCTP))?", URL),
        (r"_PORT_\d+_(TCP|UDP|SCTP)_PROTO", PROTOCOL),
        (r"_PORT_\d+_(TCP|UDP|SCTP)_PORT", NUMBER),
        (r"_PORT_\d+_(TCP|UDP|SCTP)_ADDR", ADDRESS),
    )
]


NEVER_EMPTY = {  # settings that protect the server -> what it would do without
    "API_KEYS_FILE": "serve without API keys",
    "SSL_CERTFILE": "serve without TLS",
    "SSL_CA_CERTS": "serve clients without a certificate",
}


class EnvironmentVariableError(Exception):
    """A variable that is no setting, or that may not be empty; the message names all of them."""


def is_service_link(name: str, value: str | None) -> bool:
    """Whether Kubernetes adds such a variable for a Service whose name begins with `singleshot`."""
    return any(names.fullmatch(name.upper()) and values.fullmatch(value or "") for names, values in SERVICE_LINKS)


def service_links(environment: Mapping[str, str]) -> list[str]:
    """The names of the variables that Kubernetes added; they are no settings."""
    return sorted(name for name, value in environment.items() if is_service_link(name, value))


def check_environment(environment: Mapping[str, str], settings: Iterable[str]) -> None:
    """Raise EnvironmentVariableError if a variable SINGLESHOT_… is none of these settings.

    What protects the server may not be empty: a server without keys answers everybody.
    """
    known = sorted(name.upper() for name in settings)
    problems = []
    for name, value in sorted(environment.items()):
        if not name.upper().startswith(PREFIX) or is_service_link(name, value):
            continue
        setting = name.upper().removeprefix(PREFIX)
        if setting not in known:
            nearest = difflib.get_close_matches(setting, known, 1)
            remedy = f"is {PREFIX}{nearest[0]} meant?" if nearest else "remove it; docs/operating.md lists the settings"
            problems.append(f"{name} is no setting: {remedy}")
        elif setting in NEVER_EMPTY and not value:
            problems.append(f"{name} is empty: set it to a file, or remove it to {NEVER_EMPTY[setting]}")
    if problems:
        raise EnvironmentVariableError("; ".join(problems))
