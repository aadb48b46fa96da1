"""What the assembler decides: pure functions over tickets and costs."""

import asyncio
import math
from collections.abc import Iterator

import pytest

from service.scheduling.cost_model import CostModel
from service.scheduling.policy import batch_size, fair_size, hold_until, worth_running
from service.scheduling.ticket import Ticket
from tests.service.scheduling.gated_engine import NumberJob

NOW = 100.0


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def tickets(loop: asyncio.AbstractEventLoop, *deadlines: float) -> list[Ticket]:
    """A ticket for each deadline, in seconds from NOW."""
    return [
        Ticket(NumberJob(number), NOW + deadline, NOW + deadline, number, NOW, NOW, loop.create_future(), request_id="")
        for number, deadline in enumerate(deadlines)
    ]


def test_a_ticket_that_cannot_be_in_time_is_dropped(loop: asyncio.AbstractEventLoop) -> None:
    late, timely = tickets(loop, 1.9, 2.0)
    assert worth_running([late, timely], NOW, image_seconds=2.0) == {timely}


def test_if_no_ticket_can_be_in_time_all_that_have_not_expired_run(loop: asyncio.AbstractEventLoop) -> None:
    expired, late, later = tickets(loop, 0.0, 0.5, 1.0)
    assert worth_running([expired, late, later], NOW, image_seconds=2.0) == {late, later}


def test_a_ticket_that_no_request_waits_for_is_dropped(loop: asyncio.AbstractEventLoop) -> None:
    abandoned, wanted = tickets(loop, 10.0, 10.0)
    abandoned.result.cancel()
    assert worth_running([abandoned, wanted], NOW, image_seconds=1.0) == {wanted}
    assert worth_running([abandoned], NOW, image_seconds=1.0) == set()


JOINT = CostModel({1: 4.0, 2: 4.0, 4: 4.0})  # as on a GPU: a second image costs nothing, so a joint batch saves 4 s


@pytest.mark.parametrize(
    ("next_due", "seconds"),
    [(1.0, 2.0), (2.0, 2.0), (2.1, 0.0), (math.inf, 0.0)],
    ids=["due soon", "due at the last moment", "due too late", "nothing expected"],
)
def test_a_stream_holds_for_half_of_what_a_joint_batch_saves(
    loop: asyncio.AbstractEventLoop, next_due: float, seconds: float
) -> None:
    until = hold_until(
        tickets(loop, 60.0), held_since=NOW, next_due=NOW + next_due, limit=4, num_free_streams=1, cost=JOINT
    )
    assert until == NOW + seconds


def test_a_stream_does_not_hold_a_ticket_past_its_last_start(loop: asyncio.AbstractEventLoop) -> None:
    urgent = tickets(loop, 60.0, 5.0)
    until = hold_until(urgent, held_since=NOW, next_due=NOW + 0.5, limit=4, num_free_streams=1, cost=JOINT)
    assert until == NOW + 1.0  # of the 5 s that its most urgent ticket has, the batch takes 4


@pytest.mark.parametrize(("limit", "num_free_streams"), [(1, 1), (4, 2)], ids=["full", "another stream is free"])
def test_a_stream_does_not_hold_for_an_image_that_it_will_not_take(
    loop: asyncio.AbstractEventLoop, limit: int, num_free_streams: int
) -> None:
    until = hold_until(
        tickets(loop, 60.0), held_since=NOW, next_due=NOW, limit=limit, num_free_streams=num_free_streams, cost=JOINT
    )
    assert until == NOW


def test_a_stream_does_not_hold_if_a_joint_batch_saves_nothing(loop: asyncio.AbstractEventLoop) -> None:
    linear = CostModel({1: 4.0, 4: 16.0})
    until = hold_until(
        tickets(loop, 60.0), held_since=NOW, next_due=NOW + 0.1, limit=4, num_free_streams=1, cost=linear
    )
    assert until == NOW


def test_a_batch_is_small_enough_for_its_most_urgent_ticket(loop: asyncio.AbstractEventLoop) -> None:
    cost = CostModel({1: 4.0, 2: 5.0, 4: 7.0})
    patient = tickets(loop, 60.0, 60.0, 60.0, 60.0)
    assert batch_size(patient, 0, now=NOW, limit=4, others_free_in=[], cost=cost) == 4
    urgent = tickets(loop, 6.0, 60.0, 60.0, 60.0)
    assert batch_size(urgent, 0, now=NOW, limit=4, others_free_in=[], cost=cost) == 3  # 6 s; four would take 7


def test_the_most_urgent_ticket_runs_even_if_it_is_late(loop: asyncio.AbstractEventLoop) -> None:
    assert batch_size(tickets(loop, 0.5, 60.0), 0, now=NOW, limit=4, others_free_in=[], cost=JOINT) == 1


def test_a_batch_leaves_to_the_other_streams_what_they_finish_as_early(loop: asyncio.AbstractEventLoop) -> None:
    cost = CostModel({1: 6.0, 2: 7.0, 4: 9.0})
    waiting = tickets(loop, 60.0, 60.0, 60.0, 60.0)
    assert batch_size(waiting, 0, now=NOW, limit=4, others_free_in=[0.0], cost=cost) == 2
    assert batch_size(waiting, 0, now=NOW, limit=4, others_free_in=[30.0], cost=cost) == 4


def test_a_batch_has_no_more_images_than_there_are_tickets(loop: asyncio.AbstractEventLoop) -> None:
    assert batch_size(tickets(loop, 60.0), 7, now=NOW, limit=4, others_free_in=[], cost=JOINT) == 1


@pytest.mark.parametrize(
    ("num_waiting", "others", "size"),
    [
        (1, [], 1),
        (3, [], 3),
        (9, [], 4),
        (2, [0.0], 1),
        (2, [1.0], 1),
        (2, [5.0], 2),
        (6, [0.0], 3),
        (6, [4.0], 4),
        (8, [0.0], 4),
        (4, [0.0, 0.0, 3.0], 2),
        (4, [0.0, 0.0, 0.0], 1),
    ],
)
def test_streams_share_waiting_images_if_no_image_gets_later(num_waiting: int, others: list[float], size: int) -> None:
    """As on a GPU, where images that run together are all answered sooner."""
    cost = CostModel({1: 6.0, 2: 7.0, 4: 9.0})
    assert fair_size(num_waiting, 4, others, cost) == size


@pytest.mark.parametrize(
    ("num_waiting", "others", "size"),
    [
        (1, [], 1),
        (2, [], 1),
        (4, [], 1),
        (5, [], 4),
        (2, [0.0], 1),
        (4, [9.0], 1),
        (7, [9.0], 1),
        (8, [9.0], 4),
        (8, [0.0], 4),
        (11, [0.0, 0.0], 1),
        (12, [0.0, 0.0], 4),
        (30, [0.0], 4),
    ],
)
def test_a_batch_that_delays_its_images_is_formed_only_for_images_behind_it(
    num_waiting: int, others: list[float], size: int
) -> None:
    """As on a CPU: four together save a tenth of the time, and two almost nothing."""
    cost = CostModel({1: 10.0, 2: 19.5, 4: 35.5})
    assert fair_size(num_waiting, 4, others, cost) == size


def test_images_run_alone_if_batches_save_nothing() -> None:
    cost = CostModel({1: 10.0, 4: 40.0})
    assert [fair_size(num_waiting, 4, [], cost) for num_waiting in (1, 2, 4, 5, 99)] == [1] * 5
