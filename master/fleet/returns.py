"""Asks a node that is back to say everything again: what the control plane noted meanwhile is not the node's last word.

While a node is out, its Ready condition becomes Unknown and its pods' Ready False. The agent may have kept its session and
have nothing new to report, so nobody else would turn that back. Told by `master.fleet.intake` and the informer of nodes; asks
through `master.fleet.publisher`.

    Unknown ──heard──► ask ──► its status comes ──► Ready ──► ask ──► its pods' statuses come
"""

import time
from collections.abc import Callable

from lightkube.resources.core_v1 import Node

from master.fleet.view import FleetView

#: Seconds between two times that a node which stays Unknown is asked.
ASK_SPACING = 2.0


class Returns:
    """`ask` asks a node, by name, without waiting."""

    def __init__(self, view: FleetView, ask: Callable[[str], None]) -> None:
        self._view = view
        self._ask = ask
        self._asked: dict[str, float] = {}
        """When each node that was Unknown was asked last (monotonic)."""
        view.on_node(self._on_node)

    def heard(self, node: str) -> None:
        """The node spoke."""
        if _readiness(self._view.node(node)) != "Unknown":
            return
        now = time.monotonic()
        if now - self._asked.get(node, -ASK_SPACING) >= ASK_SPACING:
            self._asked[node] = now
            self._ask(node)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        known = new or old
        name = known.metadata.name if known is not None and known.metadata is not None else None
        if name is None:
            return
        if new is None:
            self._asked.pop(name, None)
        elif _readiness(new) == "True" and _readiness(old) in ("False", "Unknown"):
            self._asked.pop(name, None)
            self._ask(name)


def _readiness(node: Node | None) -> str:
    """True, False, Unknown, or "" when the node has said nothing yet."""
    conditions = (node.status.conditions if node is not None and node.status is not None else None) or ()
    return next((condition.status for condition in conditions if condition.type == "Ready"), "")
