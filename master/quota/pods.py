"""Pods: their number, and what they request and are limited to, by scope. Finished pods only count as objects."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from master.quota.evaluator import ScopeSelector
from master.quota.pod_resources import is_best_effort, pod_limits, pod_requests
from master.quota.quantities import added

Json = dict[str, Any]

_COUNT = "count/pods"
_STANDARD = ("cpu", "memory", "ephemeral-storage")
_NAMES = frozenset(
    {_COUNT, "pods", *_STANDARD, *(f"requests.{name}" for name in _STANDARD), *(f"limits.{name}" for name in _STANDARD)}
)
_HUGE_PAGES = ("hugepages-", "requests.hugepages-")
#: What each container must state when a quota limits it.
_MUST_BE_STATED = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})


class Pods:
    def handles(self, operation: str, subresource: str) -> bool:
        return (operation, subresource) in (("CREATE", ""), ("UPDATE", "resize"))

    def usage(self, obj: Json) -> dict[str, str]:
        if _is_finished(obj, datetime.now(UTC)):
            return {_COUNT: "1"}
        return {_COUNT: "1", **_of_resources(msgspec.json.encode(_resources(obj.get("spec") or {})))}

    def names(self, limited: Iterable[str]) -> set[str]:
        return {name for name in limited if name in _NAMES or name.startswith(_HUGE_PAGES) or _is_extended(name)}

    def in_scope(self, obj: Json, selector: ScopeSelector) -> bool:
        spec = obj.get("spec") or {}
        match selector.get("scopeName"):
            case "Terminating":
                return (spec.get("activeDeadlineSeconds") or 0) > 0 or spec.get("activeDeadlineSeconds") == 0
            case "NotTerminating":
                return spec.get("activeDeadlineSeconds") is None
            case "BestEffort":
                return is_best_effort(spec)
            case "NotBestEffort":
                return not is_best_effort(spec)
            case "PriorityClass":
                return _matches(spec.get("priorityClassName") or "", selector)
            case "CrossNamespacePodAffinity":
                return _has_cross_namespace_affinity(spec.get("affinity") or {})
        return False

    def missing(self, limited: set[str], obj: Json) -> str:
        wanted = limited & _MUST_BE_STATED
        missing: dict[str, set[str]] = {}
        spec = obj.get("spec") or {}
        for field in ("containers", "initContainers"):
            for container in spec.get(field) or ():
                resources = container.get("resources") or {}
                stated = _compute(resources.get("requests") or {}, resources.get("limits") or {})
                for name in wanted - stated.keys():
                    missing.setdefault(name, set()).add(container.get("name", ""))
        if not missing:
            return ""
        return "must specify " + "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))


def _resources(spec: Json) -> Json:
    """What the usage of a pod is made of: the same for all pods of a template."""
    found: Json = {"overhead": spec.get("overhead") or {}}
    for field in ("containers", "initContainers"):
        found[field] = [
            {"resources": container.get("resources"), "restartPolicy": container.get("restartPolicy")}
            for container in spec.get(field) or ()
        ]
    return found


@lru_cache(maxsize=1024)
def _of_resources(encoded: bytes) -> dict[str, str]:
    """Remembered, because thousands of pods of few templates are counted. Not to be changed."""
    spec = msgspec.json.decode(encoded)
    return _compute(pod_requests(spec), pod_limits(spec))


def _compute(requests: Json, limits: Json) -> dict[str, str]:
    """Under which names requests and limits are limited."""
    result = {"pods": "1"}
    for name, text in requests.items():
        if name in _STANDARD or name.startswith("hugepages-"):
            result[name] = result[f"requests.{name}"] = text
        elif _is_extended(f"requests.{name}"):
            result[f"requests.{name}"] = text
    for name, text in limits.items():
        if name in _STANDARD:
            result[f"limits.{name}"] = text
    return added(result)


def _is_extended(name: str) -> bool:
    """`requests.` and a resource of the user's own: of a domain that is not Kubernetes'."""
    resource = name.removeprefix("requests.")
    domain, slash, _ = resource.rpartition("/")
    return resource != name and bool(slash) and not f".{domain}".endswith(".kubernetes.io")


def _is_finished(pod: Json, now: datetime) -> bool:
    """Ended, or on its way out for longer than it was given."""
    if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return True
    metadata = pod.get("metadata") or {}
    deleted, grace = metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds")
    if not deleted or grace is None:
        return False
    at = deleted if isinstance(deleted, datetime) else datetime.fromisoformat(deleted)
    return now > at + timedelta(seconds=grace)


def _matches(value: str, selector: ScopeSelector) -> bool:
    values = selector.get("values") or ()
    match selector.get("operator"):
        case "In":
            return bool(value) and value in values
        case "NotIn":
            return value not in values
        case "DoesNotExist":
            return not value
    return bool(value)


def _has_cross_namespace_affinity(affinity: Json) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = [*(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
        for weighted in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            terms.append(weighted.get("podAffinityTerm") or {})
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False
