"""The audit event of the request that is being answered: admission and authorisation add annotations, HTTP adds bodies.

It travels in a context variable, so that a write's own task has it too. Outside of a request, and when nothing is written,
there is none.
"""

from contextvars import ContextVar
from typing import Any

from master.api.audit.event import AuditEvent

CURRENT: ContextVar[AuditEvent | None] = ContextVar("audit_event", default=None)


def annotate(key: str, value: str) -> None:
    """Add an annotation to the request's event, if it has one."""
    event = CURRENT.get()
    if event is not None:
        event.annotate(key, value)


def request_object(body: Any) -> None:
    """Tell what was sent."""
    event = CURRENT.get()
    if event is not None:
        event.request_object(body)


def wants_response() -> bool:
    """Whether the answer's body goes into the log."""
    event = CURRENT.get()
    return event is not None and event.wants_response


def response_object(raw: bytes) -> None:
    """Tell what is answered."""
    event = CURRENT.get()
    if event is not None:
        event.response_object(raw)
