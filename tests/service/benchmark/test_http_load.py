"""The client that sends the load."""

import asyncio

import numpy as np
import pytest

from service.benchmark.http_load import LOST, Samples, Target, send_load


def test_latency_counts_from_the_intended_time() -> None:
    samples = Samples(np.array([0.0, 1.0]), np.array([0.5, 1.0]), np.array([0.6, 1.1]), np.array([200, 200]))
    assert samples.latency.tolist() == pytest.approx([0.6, 0.1])


def test_without_a_server_every_request_is_lost() -> None:
    samples = asyncio.run(send_load(Target("127.0.0.1", 1, "/"), [b""], np.zeros(3)))
    assert samples.status.tolist() == [LOST] * 3
