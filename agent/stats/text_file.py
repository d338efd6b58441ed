"""Reads the kernel's small text files. Blocking but instant; an unreadable or strange one is None or empty, never an error."""

from collections.abc import Mapping
from pathlib import Path


def text(path: Path) -> str:
    """ "" when it cannot be read: the cgroup or process has gone."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """A file with one number; None for "max" too."""
    found = text(path).strip()
    return int(found) if found.isdigit() else None


def table(path: Path) -> Mapping[str, int]:
    """Lines of a name and a number."""
    found = {}
    for line in text(path).splitlines():
        name, _, value = line.partition(" ")
        if value.isdigit():
            found[name] = int(value)
    return found
