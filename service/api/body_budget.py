"""The budget of memory for the bodies of all requests together."""

from typing import Self


class BodyBudgetExceededError(Exception):
    """The bodies in the server leave no room for more bytes of this one."""


class BodyBudget:
    """Counts the bytes of bodies that have arrived, until their requests are answered.

    A slow client counts only for what it has sent, not for the length that it declares. Only the event loop may use it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.num_bytes = 0

    def share(self) -> "BodyShare":
        """The share of one request; its bytes are freed at the end of its block."""
        return BodyShare(self)

    def reserve(self, num_bytes: int, others: int) -> None:
        """Count `num_bytes` more; raises BodyBudgetExceededError.

        `others` is the number of bytes of the other requests. If it is 0, a body of any size is accepted.
        """
        if others and self.num_bytes + num_bytes > self._max_bytes:
            raise BodyBudgetExceededError(
                f"the bodies in the server have {self.num_bytes} bytes, {num_bytes} more are too many"
            )
        self.num_bytes += num_bytes


class BodyShare:
    """The bytes of one request's body that have arrived; a context manager that frees them."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.num_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.num_bytes -= self.num_bytes

    def add(self, num_bytes: int) -> None:
        """Count a part that has arrived; raises BodyBudgetExceededError."""
        self._budget.reserve(num_bytes, self._budget.num_bytes - self.num_bytes)
        self.num_bytes += num_bytes

    def keep(self, num_bytes: int) -> None:
        """Count only so many bytes from now on, because the others are freed."""
        self._budget.num_bytes -= self.num_bytes - num_bytes
        self.num_bytes = num_bytes
