"""Semantic versions (since Kubernetes 1.33): semver(x), isSemver(x), with true to normalize; comparisons and parts."""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

from master.api.cel import cost
from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError

_S = "kubernetes.Semver"
_IDENTIFIER = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_FORM = re.compile(
    rf"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?\Z",
    re.ASCII,
)


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Semver:
    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()
    build: str = ""

    def _order(self) -> tuple[Any, ...]:
        # A version without a pre-release is newer; numbers are older than words.
        pre = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return self.major, self.minor, self.patch, not self.pre, pre

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self._order() == other._order()

    def __lt__(self, other: "Semver") -> bool:
        return self._order() < other._order()

    def __hash__(self) -> int:
        return hash(self._order())


def parse(text: str) -> Semver | None:
    match = _FORM.match(text) if len(text) <= 1024 else None
    if match is None:
        return None
    major, minor, patch, pre, build = match.groups()
    if any(len(number) > 20 or int(number) >= 2**64 for number in (major, minor, patch)):
        return None
    return Semver(int(major), int(minor), int(patch), tuple(pre.split(".")) if pre else (), build or "")


def normalized(text: str) -> str:
    """Without a leading "v" and zeros, with all three numbers."""
    parts = text.removeprefix("v").split(".", 2)
    for index, part in enumerate(parts):
        if len(part) > 1:
            stripped = part.lstrip("0")
            parts[index] = stripped if stripped[:1].isdigit() else "0" + stripped
    if len(parts) < 3:
        if any(mark in parts[-1] for mark in "+-"):
            return text  # a short version cannot carry a pre-release
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def _semver(text: str, normalize: bool = False) -> Semver:
    version = parse(normalized(text) if normalize else text)
    if version is None:
        raise EvaluationError(
            "No Major.Minor.Patch elements found" if text.count(".") < 2 else f"invalid semver {text[:64]!r}"
        )
    return version


def _is_semver(text: str, normalize: bool = False) -> bool:
    return parse(normalized(text) if normalize else text) is not None


OVERLOADS = (
    define("semver", f"(string) -> {_S}", _semver, cost.of_first),
    define("semver", f"(string, bool) -> {_S}", _semver, cost.of_first),
    define("isSemver", "(string) -> bool", _is_semver, cost.of_first),
    define("isSemver", "(string, bool) -> bool", _is_semver, cost.of_first),
    define("isGreaterThan", f"{_S}.({_S}) -> bool", lambda a, b: a > b),
    define("isLessThan", f"{_S}.({_S}) -> bool", lambda a, b: a < b),
    define("compareTo", f"{_S}.({_S}) -> int", lambda a, b: (a > b) - (a < b)),
    define("major", f"{_S}.() -> int", lambda version: version.major),
    define("minor", f"{_S}.() -> int", lambda version: version.minor),
    define("patch", f"{_S}.() -> int", lambda version: version.patch),
)
