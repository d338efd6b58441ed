"""Whether a pod that is new to the node may begin. Asked once by its worker, never of a pod that has anything here already:
no restart or upgrade of the agent refuses what runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from lightkube.models.core_v1 import Pod


@dataclass(frozen=True, slots=True)
class Refusal:
    """The pod ends at once, Failed, for this reason."""

    reason: str
    message: str


class PodAdmitHandler(Protocol):
    def admit(self, pod: Pod) -> Refusal | None:
        """None: no objection. Instant."""
        ...


class Admission:
    """All handlers in order; the first refusal counts."""

    def __init__(self, handlers: Iterable[PodAdmitHandler] = ()) -> None:
        self._handlers = list(handlers)

    def add(self, handler: PodAdmitHandler) -> None:
        self._handlers.append(handler)

    def admit(self, pod: Pod) -> Refusal | None:
        return next((refusal for one in self._handlers if (refusal := one.admit(pod)) is not None), None)
