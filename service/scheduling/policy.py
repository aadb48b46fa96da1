"""The assembler's decisions as pure functions: which tickets to drop, how long to hold a batch, how many to run.

Times are those of time.monotonic(), in seconds.
"""

from collections.abc import Sequence

import numpy as np

from service.scheduling.cost_model import CostModel
from service.scheduling.ticket import Ticket

WORTHWHILE_GAIN = 0.05  # relative gain in seconds an image that justifies waiting for the end of a larger batch
LOOK_AHEAD = 0.5  # share of the time saved by a larger batch for which an idle stream waits for an image being decoded


def worth_running(tickets: Sequence[Ticket], now: float, image_seconds: float) -> set[Ticket]:
    """The tickets that can be answered in time if one image takes `image_seconds`.

    If there are none, the tickets that have not expired: a batch must run, or the costs are never learnt again.
    """
    live = {ticket for ticket in tickets if not ticket.is_settled and ticket.deadline > now}
    in_time = {ticket for ticket in live if ticket.deadline >= now + image_seconds}
    return in_time or live


def hold_until(
    tickets: Sequence[Ticket], *, held_since: float, next_due: float, limit: int, num_free_streams: int, cost: CostModel
) -> float:
    """When an idle stream should run these tickets. The value `held_since` means at once.

    It waits for one more image only if that image is due (`next_due`) within a fraction of the time that the joint
    batch saves, if no other stream is free for it, and if no ticket becomes late. If a batch costs as much as its
    images alone, as on a CPU with one thread a stream, it saves nothing and the stream does not wait at all.
    """
    size = len(tickets)
    if size >= limit or num_free_streams > 1:
        return held_since
    saved = cost.seconds(size) + cost.seconds(1) - cost.seconds(size + 1)
    latest_start = min(ticket.deadline for ticket in tickets) - cost.seconds(size + 1)
    until = min(held_since + LOOK_AHEAD * saved, latest_start)
    return until if next_due <= until else held_since


def batch_size(
    tickets: Sequence[Ticket],
    num_queued: int,
    *,
    now: float,
    limit: int,
    others_free_in: Sequence[float],
    cost: CostModel,
) -> int:
    """How many of `tickets`, the most urgent first, run in the next batch; `num_queued` more wait in the queue.

    The rest is left to the other streams, which are free in `others_free_in` seconds, if they finish it as early. The
    batch is also small enough for its most urgent ticket, whose answer was predicted without the images that came
    later.
    """
    size = fair_size(len(tickets) + num_queued, limit, others_free_in, cost)
    earliest = min((ticket.deadline for ticket in tickets), default=np.inf)
    while size > 1 and now + cost.seconds(size) > earliest:
        size -= 1
    return min(size, len(tickets))


def fair_size(num_waiting: int, limit: int, others_free_in: Sequence[float], cost: CostModel) -> int:
    """How many of `num_waiting` images a free stream should run now; the others are free in `others_free_in` seconds.

    It is the smallest size for which the other streams finish the rest before one large batch would end. So the
    streams share the waiting images, and batches grow with the load: the first image does not wait for the last.

    On a CPU, images that run one by one are answered sooner on average. A larger batch then helps only the images
    behind it: its size saves enough time, and enough images wait to occupy the other streams in the same way.
    """
    largest = min(num_waiting, limit)
    together = cost.seconds(largest)
    free_at = [0.0, *sorted(others_free_in)]
    is_sooner_together = together <= sum(cost.finishes([1] * largest, free_at)) / largest  # on average
    sizes = range(1, largest + 1) if is_sooner_together else saving_sizes(largest, cost)
    for size in sizes:
        last = -(-num_waiting // size) - 1  # the index of the stream that would run the last image
        if size < largest and last < len(free_at) and free_at[last] + cost.seconds(size) < together:
            return size
    if is_sooner_together:
        return largest
    return max(size for size in sizes if size == 1 or (size < num_waiting and size * len(free_at) <= num_waiting))


def saving_sizes(largest: int, cost: CostModel) -> list[int]:
    """1, and the measured sizes at which an image costs enough less than at the size before."""
    sizes = [1]
    for size in cost.measured_sizes:
        if size <= largest and cost.seconds_each(size) <= (1 - WORTHWHILE_GAIN) * cost.seconds_each(sizes[-1]):
            sizes.append(size)
    return sizes
