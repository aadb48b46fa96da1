"""Errors of the framework and of the server's own code, as the client sees them."""

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.served_app import problem, settings


def test_unknown_paths_and_methods_are_problems(client: AsgiClient) -> None:
    problem(client.get("/nothing"), 404)
    response = client.get("/detect")
    problem(response, 405)
    assert response.headers["allow"] == "POST"


def test_an_unexpected_error_is_a_500_without_a_stack_trace(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings(tiny_bundle.path))

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("secret")

    with AsgiClient(app) as client:
        response = client.get("/broken")
    assert "secret" not in problem(response, 500)
    (record,) = caplog.records
    assert record.message == "the request failed"
    assert record.exc_info is not None
