"""What nodes sent and was not taken: counted by why, logged seldom. A hostile node can fill neither log nor memory."""

import logging
import time

from prometheus_client import Counter

log = logging.getLogger(__name__)

REJECTED = Counter("wherry_fleet_rejected_total", "Messages from nodes that were not taken", ["why"])
#: Seconds between two log lines of one reason.
_LOG_EVERY = 10.0


class Rejections:
    """`why` is one of a few words."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}

    def note(self, why: str, topic: str, detail: object) -> None:
        REJECTED.labels(why).inc()
        now = time.monotonic()
        if now - self._logged.get(why, -_LOG_EVERY) >= _LOG_EVERY:
            self._logged[why] = now
            log.warning("a node's message was rejected", extra={"why": why, "topic": topic[:300], "detail": str(detail)[:300]})
