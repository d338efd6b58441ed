"""What a network namespace has received and sent: /proc/PID/net/dev of a process in it. Blocking but instant."""

import time
from dataclasses import dataclass
from pathlib import Path

from agent.stats.text_file import text

#: Kubernetes counts none of these: what goes over them never leaves, or goes over another interface once more.
_LOCAL = ("lo", "veth", "docker", "br-", "wherry")
#: The interface that is named first, where there is one of these; else the busiest.
_DEFAULT = "eth0"


@dataclass(frozen=True, slots=True)
class Interface:
    name: str
    rx_bytes: int
    rx_errors: int
    tx_bytes: int
    tx_errors: int


@dataclass(frozen=True, slots=True)
class Network:
    """`time`: seconds since the epoch. `default`: the interface that most goes over."""

    time: float
    default: Interface | None
    interfaces: tuple[Interface, ...]


def network(pid: int | str = "self", proc: Path = Path("/proc")) -> Network | None:
    """None when the process has gone. `pid` "1": the host's own."""
    content = text(proc / str(pid) / "net/dev")
    if not content:
        return None
    found = []
    for line in content.splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        if len(fields) >= 16 and not name.strip().startswith(_LOCAL):
            found.append(Interface(name.strip(), int(fields[0]), int(fields[2]), int(fields[8]), int(fields[10])))
    busiest = max(found, key=lambda one: (one.name == _DEFAULT, one.rx_bytes + one.tx_bytes), default=None)
    return Network(time.time(), busiest, tuple(found))
