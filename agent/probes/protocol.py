"""What a probe type is: one file in this folder that sets PROBER. Also used for httpGet and exec lifecycle hooks.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agent.runtime.protocol import Streams

Outcome = Literal["success", "failure", "unknown"]

#: Longest output that is shown in an Event, in bytes.
MAX_OUTPUT = 10 * 1024


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """unknown: the probe itself could not be made; it counts neither way."""

    outcome: Outcome
    output: str = ""


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """The container that is asked. ports: its named ports."""

    container_id: str
    address: str
    ports: Mapping[str, int] = field(default_factory=dict)

    def port(self, asked: int | str) -> int | None:
        """A port by number or name; None when there is no such name."""
        if isinstance(asked, int):
            return asked
        if asked in self.ports:
            return self.ports[asked]
        return int(asked) if asked.isdigit() else None


class Prober(Protocol):
    #: The field of core/v1 Probe that asks for this type.
    source: str

    async def probe(self, handler: Any, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
        """Ask once. handler: the Probe's field of this type. Never raises but for cancellation."""
        ...
