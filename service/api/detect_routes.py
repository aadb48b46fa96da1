"""The routes that detect, and how their requests end."""

DETECT, INFER, VERSION_INFER = "/detect", "/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"
DETECT_ROUTES = frozenset({DETECT, INFER, VERSION_INFER})
CLIENT_DISCONNECTED = 499  # nginx's status for a client that closed the connection: only metrics and log show it

OUTCOME_OF_STATUS = {503: "refused", 504: "expired", CLIENT_DISCONNECTED: "gave_up"}


def route_of(path: bytes) -> str | None:
    """The route of a detect request; None for another one."""
    if path == b"/detect":
        return DETECT
    if path.startswith(b"/v2/models/") and path.endswith(b"/infer"):
        return VERSION_INFER if b"/versions/" in path else INFER
    return None


def outcome_of(status: int, *, is_slow: bool) -> str:
    """How a detect request ended, as the metric of the objective and the log name it.

    The status is 0 if there was no answer, because the process ended before it.
    """
    if status == 200:
        return "slow" if is_slow else "in_time"
    return OUTCOME_OF_STATUS.get(status) or ("client_error" if 400 <= status < 500 else "failed")
