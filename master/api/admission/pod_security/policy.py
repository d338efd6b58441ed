"""What a namespace's labels ask of its pods: a level and a version each for enforce, audit and warn.

A label that makes no sense counts as the strictest level for enforce, and as none for audit and warn; it is refused when a
namespace is created with it or gets it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from master.api.kinds.rules.field_errors import invalid, keyed
from master.client.errors import Cause

LEVELS = ("privileged", "baseline", "restricted")
PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]{0,8})\Z", re.ASCII)
#: Later than every release.
LATEST = 1 << 31


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """`minor`: of Kubernetes 1.x, or LATEST."""

    level: str = "privileged"
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"

    @property
    def strictness(self) -> int:
        return LEVELS.index(self.level)


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()

    @property
    def only_privileged(self) -> bool:
        return {self.enforce.level, self.audit.level, self.warn.level} == {"privileged"}


def policy_of(labels: Mapping[str, str] | None) -> tuple[Policy, list[Cause]]:
    """The policy of a namespace with these labels, and what is wrong with them."""
    causes: list[Cause] = []
    modes: dict[str, LevelVersion] = {}
    labels = labels or {}
    for mode in ("enforce", "audit", "warn"):
        level, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        minor = LATEST
        if level is not None and level not in LEVELS:
            causes.append(_invalid(mode, level, f"must be one of {', '.join(LEVELS)}"))
            level = "restricted" if mode == "enforce" else "privileged"
        if version is not None and version != "latest":
            match = _VERSION.match(version)
            if match is None:
                causes.append(_invalid(f"{mode}-version", version, 'must be "latest" or "v1.x"'))
            else:
                minor = int(match[1])
        modes[mode] = LevelVersion(level or "privileged", minor)
    if labels.get(PREFIX + "enforce") in LEVELS and PREFIX + "warn" not in labels:
        # Who enforces without a word about warnings wants to be warned of the same.
        enforce, warn = modes["enforce"], modes["warn"]
        if enforce.strictness > warn.strictness:
            said = f"{PREFIX}warn-version" in labels
            modes["warn"] = LevelVersion(enforce.level, warn.minor if said else enforce.minor)
    return Policy(**modes), causes


def _invalid(name: str, value: str, why: str) -> Cause:
    return invalid(keyed("metadata.labels", PREFIX + name), value, why)
