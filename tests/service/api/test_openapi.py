"""Requests generated from the OpenAPI document: no answer is a 5xx, and the document describes every answer."""

from typing import Any

import hypothesis
import pytest

from service.api.app import create_app
from service.bundle import Bundle
from tests.service.live_server import live_server
from tests.service.served_app import settings

schemathesis = pytest.importorskip("schemathesis")
NUM_EXAMPLES = 20


def test_every_answer_is_described(tiny_bundle: Bundle) -> None:
    checks = [
        schemathesis.checks.status_code_conformance,
        schemathesis.checks.content_type_conformance,
        schemathesis.checks.response_schema_conformance,
    ]
    with live_server(create_app(settings(tiny_bundle.path))) as address:
        document = schemathesis.openapi.from_url(f"http://{address}/openapi.json")
        operations = [result.ok() for result in document.get_all_operations()]
        assert {"/detect", "/models", "/readyz", "/v2/models/{name}/infer"} <= {
            operation.path for operation in operations
        }
        for operation in operations:

            @hypothesis.settings(
                max_examples=NUM_EXAMPLES,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(operation.as_strategy())
            def check(case: Any) -> None:
                response = case.call()
                assert response.status_code < 500 or response.status_code in (503, 504), response.text
                case.validate_response(response, checks=checks)

            check()
