"""Who was heard when: the master times the nodes itself, because a Last Will is lost when the broker dies.

Implements the controllers' NodeHeartbeats. Times are monotonic seconds of this process; nothing is written to disk.
"""

import time

#: A node that was silent for longer is taken to be out of reach, in seconds: three heartbeats.
REACHABLE_SECONDS = 12.0


class Liveness:
    """Fed by `master.fleet.intake` with every message of a node."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._suspected: dict[str, float] = {}

    def last_seen(self, node: str) -> float | None:
        """When the node was heard last; None when it was not since this master started."""
        return self._seen.get(node)

    def suspected(self, node: str) -> float | None:
        """When the broker reported the node's Last Will; None when it has spoken since, or never left."""
        return self._suspected.get(node)

    def heard(self, node: str) -> None:
        self._seen[node] = time.monotonic()
        self._suspected.pop(node, None)

    def left(self, node: str, *, orderly: bool) -> None:
        """The Last Will. An agent that said goodbye (a restart, an upgrade) has the usual time to come back."""
        if not orderly and node in self._seen:
            self._suspected[node] = time.monotonic()

    def reachable(self, node: str) -> bool:
        seen = self._seen.get(node)
        return seen is not None and node not in self._suspected and time.monotonic() - seen <= REACHABLE_SECONDS

    def heard_since(self, moment: float) -> list[str]:
        """The nodes that were heard after a monotonic time."""
        return [node for node, seen in self._seen.items() if seen > moment]
