"""/proc/PID/mountinfo: where control groups are mounted, and where a container's writable layer is on the host.

https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """`root`: which directory of the file system is mounted at `target`."""

    root: str
    target: str
    type: str
    source: str
    options: tuple[str, ...]

    def option(self, name: str) -> str:
        """The value of "name=value"; "" when it is not there."""
        return next((one.partition("=")[2] for one in self.options if one.startswith(f"{name}=")), "")


def parse_mounts(mountinfo: str) -> Iterator[Mount]:
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) >= 6 and len(rest) >= 3:
            options = tuple(_unescaped(one) for one in rest[2].split(","))
            yield Mount(_unescaped(fields[3]), _unescaped(fields[4]), rest[0], _unescaped(rest[1]), options)


def writable_layer(mountinfo: str) -> Path | None:
    """Of a process's mountinfo: the upper directory of the overlay that is its root; None with another storage driver."""
    found: Path | None = None
    for mount in parse_mounts(mountinfo):
        if mount.target == "/":  # the last one mounted there is the one that is seen
            upper = mount.option("upperdir") if mount.type == "overlay" else ""
            found = Path(upper) if upper.startswith("/") else None
    return found


def _unescaped(field: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), field)
