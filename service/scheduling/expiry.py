"""Ends tickets at their deadlines, with one timer for all."""

import asyncio
import time

from service.scheduling.ticket import ExpiredError, Ticket


class Expiry:
    """Gives each ticket that is not settled at its deadline an ExpiredError. One event loop uses it.

    To start and to cancel a timer for each ticket takes longer than to queue the ticket. This one timer rings at the
    earliest deadline that it was given, perhaps for a ticket that is answered by then.
    """

    def __init__(self) -> None:
        self._tickets: dict[Ticket, float] = {}  # with the time at which each was added
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def add(self, ticket: Ticket, now: float) -> None:
        """Watch a ticket until it is removed."""
        self._tickets[ticket] = now
        if self._timer is None or ticket.deadline < self._rings_at:
            self._set(ticket.deadline, now)

    def remove(self, ticket: Ticket) -> None:
        """Watch the ticket no more."""
        del self._tickets[ticket]

    def _set(self, due: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = time.monotonic()
        for ticket, added in self._tickets.items():
            if ticket.deadline <= now and not ticket.is_settled:
                ticket.result.set_exception(expired(ticket.deadline - added))
        due = min([ticket.deadline for ticket in self._tickets if not ticket.is_settled], default=None)
        if due is not None:
            self._set(due, now)


def expired(seconds: float) -> ExpiredError:
    """The error of an image that had so many seconds."""
    return ExpiredError(f"no answer within {max(0.0, seconds):.3g} s")
