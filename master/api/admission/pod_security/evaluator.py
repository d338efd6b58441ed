"""All rules of a level in a version, in Kubernetes' order (by their names)."""

from functools import lru_cache

from master.api.admission.pod_security import baseline, restricted
from master.api.admission.pod_security.checks import Check, Json, Violation
from master.api.admission.pod_security.policy import LevelVersion


@lru_cache(maxsize=256)
def checks_of(wanted: LevelVersion) -> tuple[Check, ...]:
    if wanted.level == "privileged":
        return ()
    chosen = {check.id: check for check in baseline.CHECKS if wanted.minor >= check.since}
    if wanted.level == "restricted":
        for check in restricted.CHECKS:
            if wanted.minor >= check.since:
                chosen.pop(check.instead_of, None)
                chosen[check.id] = check
    return tuple(chosen[name] for name in sorted(chosen))


def violations(wanted: LevelVersion, metadata: Json, spec: Json) -> list[Violation]:
    """What a pod of this metadata and spec does that the level forbids."""
    found = (check.look(metadata, spec, wanted.minor) for check in checks_of(wanted))
    return [violation for violation in found if violation is not None]


def details(found: list[Violation]) -> str:
    """For whoever made the pod."""
    return ", ".join(str(violation) for violation in found)


def reasons(found: list[Violation]) -> str:
    """The rules' names alone, for pods that are there already."""
    return ", ".join(violation.reason for violation in found)
