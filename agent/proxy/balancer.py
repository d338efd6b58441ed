"""Who takes the next connection in userspace mode: exact round robin per Service port, or the client's own endpoint."""

import time
from collections import OrderedDict
from collections.abc import Callable

from agent.proxy.model import Endpoint

#: Clients remembered per Service port for sessionAffinity ClientIP; the longest silent one is forgotten first.
MAX_CLIENTS = 65535


class Balancer:
    """One list of endpoints of one Service port; listeners on several addresses share it, and so its turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._endpoints: tuple[Endpoint, ...] = ()
        self._affinity_seconds = 0
        self._turn = 0
        self._clients: OrderedDict[str, tuple[Endpoint, float]] = OrderedDict()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return self._endpoints

    def update(self, endpoints: tuple[Endpoint, ...], affinity_seconds: int) -> None:
        """New endpoints; the turn goes on from the endpoint that would have been next, if it is still there."""
        if endpoints != self._endpoints:
            following = self._from_turn()
            self._endpoints = endpoints
            self._turn = next((endpoints.index(one) for one in following if one in endpoints), 0)
        self._affinity_seconds = affinity_seconds
        if not affinity_seconds:
            self._clients.clear()

    def order(self, client: str) -> tuple[Endpoint, ...]:
        """The endpoints for a new connection of this client, the one whose turn it is first, the others as fallbacks."""
        if not self._endpoints:
            return ()
        if self._affinity_seconds and (mine := self._remembered(client)) is not None:
            start = self._endpoints.index(mine)
            return self._endpoints[start:] + self._endpoints[:start]
        order = self._from_turn()
        self._turn = (self._turn + 1) % len(self._endpoints)
        return order

    def connected(self, client: str, endpoint: Endpoint) -> None:
        """The client's connection reached this endpoint: with affinity, the next one goes there too."""
        if not self._affinity_seconds:
            return
        self._clients[client] = (endpoint, self._clock() + self._affinity_seconds)
        self._clients.move_to_end(client)
        while len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)

    def _from_turn(self) -> tuple[Endpoint, ...]:
        return self._endpoints[self._turn :] + self._endpoints[: self._turn]

    def _remembered(self, client: str) -> Endpoint | None:
        endpoint, until = self._clients.get(client, (None, 0.0))
        if endpoint is None or until < self._clock() or endpoint not in self._endpoints:
            self._clients.pop(client, None)
            return None
        return endpoint
