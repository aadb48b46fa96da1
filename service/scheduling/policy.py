"""The assembler's decisions as pure functions: which tickets to drop, how long to hold a batch, how many to run.

Times are those of time.monotonic(), in seconds.
"""

from collections.abc import Sequence

import numpy as np

from service.scheduling.cost_model import CostModel
from service.scheduling.ticket import Ticket

LOOK_AHEAD = 0.5  # share of the time saved by a larger batch for which an idle stream waits for an image being decoded


def worth_running(tickets: Sequence[Ticket], now: float, image_seconds: float) -> set[Ticket]:
    """The tickets that can be answered in time if one image takes `image_seconds`.

    If none can, all that have not expired: without running any, no newer cost would be learnt.
    """
    live = {ticket for ticket in tickets if not ticket.is_settled and ticket.deadline > now}
    in_time = {ticket for ticket in live if ticket.deadline >= now + image_seconds}
    return in_time or live


def hold_until(
    tickets: Sequence[Ticket], *, held_since: float, next_due: float, limit: int, num_free_streams: int, cost: CostModel
) -> float:
    """When a stream that was idle should run these tickets; `held_since` means at once.

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
    size = cost.fair_size(len(tickets) + num_queued, limit, others_free_in)
    earliest = min((ticket.deadline for ticket in tickets), default=np.inf)
    while size > 1 and now + cost.seconds(size) > earliest:
        size -= 1
    return min(size, len(tickets))
