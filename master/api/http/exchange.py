"""Exchange: what is known of one request while it is answered. Made by `ApiServer`, found again in the request itself."""

from aiohttp import web

from master.api.audit.event import AuditEvent
from master.api.flowcontrol.dispatcher import Seat
from master.api.registry.metadata import random_uuid

_AUDIT_ID = "Audit-Id"
#: kube-apiserver takes a client's id up to this length.
_LONGEST_ID = 64


class Exchange:
    """`seat`: held until the answer is made, of a watch until it begins. `event`: None when nothing is written of it."""

    __slots__ = ("audit_id", "event", "failure", "long_running", "panicked", "seat")

    def __init__(self, request: web.Request, *, long_running: bool) -> None:
        given = request.headers.get(_AUDIT_ID)
        fits = given and len(given) <= _LONGEST_ID and given.isascii() and given.isprintable()
        self.audit_id: str = given if given and fits else random_uuid()
        self.long_running = long_running
        self.seat: Seat | None = None
        self.event: AuditEvent | None = None
        #: The Status that the client gets instead of what it wanted.
        self.failure: dict[str, object] | None = None
        self.panicked = False
        request[_KEY] = self

    def leave_seat(self) -> None:
        if self.seat is not None:
            self.seat.leave()

    def mark(self, response: web.StreamResponse) -> None:
        """Tell the client under which id its request is in the audit log."""
        response.headers[_AUDIT_ID] = self.audit_id


_KEY = web.RequestKey("exchange", Exchange)


def exchange_of(request: web.Request) -> Exchange | None:
    """None for what never was a request of ours."""
    return request.get(_KEY)
