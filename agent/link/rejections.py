"""Counts and logs what the link refuses, so that a flood of bad messages fills neither the log nor the disk."""

import logging
import time
from typing import Literal

from prometheus_client import CollectorRegistry, Counter

_LOG = logging.getLogger(__name__)

#: Seconds between two log lines about the same sort of refusal.
QUIET_SECONDS = 10.0

#: forged: the signature does not hold. malformed: no message, or not for this topic. unsealable: not sealed to this node.
#: stale: of an older leader, or older than what is held. overflow: more than the queue holds.
Sort = Literal["forged", "malformed", "unsealable", "stale", "overflow"]


class Rejections:
    """One per agent; the counts stand under `wherry_agent_messages_rejected_total`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "wherry_agent_messages_rejected", "Messages from the broker that were ignored", ["sort"], registry=registry
        )
        self._counts: dict[Sort, int] = {}
        self._quiet: dict[Sort, tuple[float, int]] = {}

    def count(self, sort: Sort) -> int:
        return self._counts.get(sort, 0)

    def note(self, sort: Sort, topic: str, why: object) -> None:
        """Count a refusal; log it unless one of its sort was logged just now. Stale ones are ordinary: never above debug."""
        self._counts[sort] = self.count(sort) + 1
        self._counter.labels(sort).inc()
        if sort == "stale":
            _LOG.debug("stale message ignored", extra={"topic": topic, "reason": why})
            return
        now = time.monotonic()
        since, suppressed = self._quiet.get(sort, (float("-inf"), 0))
        if now - since < QUIET_SECONDS:
            self._quiet[sort] = (since, suppressed + 1)
            return
        self._quiet[sort] = (now, 0)
        _LOG.warning("%s message ignored", sort, extra={"topic": topic[:256], "reason": why, "not_logged": suppressed})
