"""The patience of the clients of gRPC, by connection."""

import time
from collections import OrderedDict

from service.api.patience import Patience

MAX_CONNECTIONS = 10_000  # whose patience is kept; the least recent one is dropped first


class Patiences:
    """The `Patience` of each connection that was refused a request; gRPC names a connection by its peer."""

    def __init__(self) -> None:
        self._of_peers: OrderedDict[str, Patience] = OrderedDict()

    def refuse(self, peer: str, retry_seconds: float) -> float:
        """A request is refused -> the seconds for which the refusal should be held back."""
        patience = self._of_peers.setdefault(peer, Patience())
        self._of_peers.move_to_end(peer)
        if len(self._of_peers) > MAX_CONNECTIONS:
            self._of_peers.popitem(last=False)
        return patience.refuse(time.monotonic(), retry_seconds)

    def accept(self, peer: str) -> None:
        """A request is not refused, which ends the row of refusals."""
        if self._of_peers:
            self._of_peers.pop(peer, None)
