"""Errors as statuses of gRPC: each problem of HTTP has one."""

import grpc

from service.api.problems import Problem

STATUSES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
MAX_DETAIL_BYTES = 1000  # gRPC writes up to three for one, and a client refuses more than 8 KiB of metadata
Metadata = tuple[tuple[str, str], ...]


def details_of(problem: Problem) -> str:
    """The detail of a problem, cut to a length that every client takes."""
    encoded = problem.detail.encode()
    if len(encoded) <= MAX_DETAIL_BYTES:
        return problem.detail
    return encoded[:MAX_DETAIL_BYTES].decode(errors="ignore") + "…"


def trailing_metadata(request_id: str, problem: Problem | None = None) -> Metadata:
    """The metadata after an answer: the id of its request, and when to try again.

    A client with a retry policy waits for the time in `grpc-retry-pushback-ms`.
    """
    metadata = [("x-request-id", request_id)]
    for name, value in (problem.headers if problem is not None else {}).items():
        metadata.append((name.lower(), value))
        if name == "Retry-After-Ms":
            metadata.append(("grpc-retry-pushback-ms", value))
    return tuple(metadata)
