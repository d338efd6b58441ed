"""What a probe type is: one file in this folder that sets PROBER. Also used for httpGet and exec lifecycle hooks.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agent.runtime.protocol import Streams

Outcome = Literal["success", "warning", "failure", "unknown"]

#: Longest output that is shown in an Event, in bytes.
MAX_OUTPUT = 10 * 1024


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """warning: a success that is told of. unknown: the probe itself could not be made; it counts neither way."""

    outcome: Outcome
    output: str = ""


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """The container that is asked. ports: its named ports."""

    container_id: str
    address: str
    ports: Mapping[str, int] = field(default_factory=dict)

    def port(self, asked: int | str) -> int:
        """A port by number or name. Raises ValueError in kubelet's words."""
        if isinstance(asked, int):
            number = asked
        elif asked in self.ports:
            number = self.ports[asked]
        elif asked.isdecimal():
            number = int(asked)
        else:
            raise ValueError(f'strconv.Atoi: parsing "{asked}": invalid syntax')
        if not 0 < number < 65536:
            raise ValueError(f"invalid port number: {number}")
        return number


class Prober(Protocol):
    #: The field of core/v1 Probe that asks for this type.
    source: str

    async def probe(self, handler: Any, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
        """Ask once. handler: the Probe's field of this type. Never raises but for cancellation."""
        ...
