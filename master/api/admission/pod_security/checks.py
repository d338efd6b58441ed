"""What a check is, and the words that all checks use."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """`reason` names the rule; `detail` says who breaks it and what would help."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


#: Looks at a pod's metadata and spec, for Kubernetes 1.minor.
Look = Callable[[Json, Json, int], Violation | None]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. `since`: the first minor version that has it. `instead_of`: the weaker rule that it replaces."""

    id: str
    look: Look
    since: int = 0
    instead_of: str = ""


def containers(spec: Json) -> Iterator[tuple[str, Json, Json]]:
    """Name, container and security context of each, in the order in which violations name them."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            yield container.get("name", ""), container, container.get("securityContext") or {}


def security_context(spec: Json) -> Json:
    """The pod's own."""
    context: Json = spec.get("securityContext") or {}
    return context


def quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def plural(word: str, items: "list[str] | set[str]") -> str:
    """The word in the number of the items."""
    return word if len(items) == 1 else f"{word}s"


def named(items: list[str], word: str = "container") -> str:
    return f"{plural(word, items)} {quoted(items)}"


def setters(pod: bool, bad: list[str]) -> str:
    """Who sets a wrong value: the pod, containers, or both; "" when nobody does."""
    return " and ".join([*(["pod"] if pod else []), *([named(bad)] if bad else [])])


def is_windows(spec: Json) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"
