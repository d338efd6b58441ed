"""Deployment: rolls its pods from one template to the next."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.int_or_percent import is_zero, validate_int_or_percent
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.name_warnings import warn_of_workload_name
from master.api.kinds.rules.numbers import not_negative
from master.api.kinds.rules.pod_template import (
    default_template,
    validate_selector_and_template,
    validate_selector_update,
)
from master.api.kinds.rules.status_counts import validate_collisions, validate_counts, validate_parts
from master.api.printers import deployment as printer
from master.client.errors import Cause

STRATEGIES = ("Recreate", "RollingUpdate")
_PARTS = ("updatedReplicas", "readyReplicas", "availableReplicas")
_COUNTS = ("observedGeneration", "replicas", *_PARTS, "unavailableReplicas", "collisionCount")
_EMPTY_SELECTOR = "empty selector is invalid for deployment"


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    default_template(spec)


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    _default(obj)
    next_generation(obj, old)
    if (obj["metadata"].get("annotations") or {}) != (old["metadata"].get("annotations") or {}):
        # They are copied to the ReplicaSets, so the controller has to look.
        obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    causes.extend(not_negative(spec.get("replicas"), "spec.replicas"))
    causes.extend(validate_selector_and_template(spec, empty_selector=_EMPTY_SELECTOR))
    causes.extend(_validate_strategy(spec.get("strategy") or {}))
    ready = spec.get("minReadySeconds") or 0
    causes.extend(not_negative(ready, "spec.minReadySeconds"))
    causes.extend(not_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        causes.extend(not_negative(deadline, "spec.progressDeadlineSeconds"))
        if deadline <= ready:
            causes.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    if old is not None:
        causes.extend(validate_selector_update(spec, old.get("spec") or {}))
    return causes


def _validate_strategy(strategy: Json) -> list[Cause]:
    path = "spec.strategy"
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            if rolling is None:
                return []
            return [forbidden(f"{path}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")]
        case "RollingUpdate":
            if rolling is None:
                return [required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")]
            return _validate_rolling(rolling, f"{path}.rollingUpdate")
        case other:
            return [not_supported(f"{path}.type", other, STRATEGIES)]


def _validate_rolling(rolling: Json, path: str) -> list[Cause]:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    causes = validate_int_or_percent(unavailable, f"{path}.maxUnavailable", at_most_all=True)
    causes.extend(validate_int_or_percent(surge, f"{path}.maxSurge"))
    if not causes and is_zero(unavailable) and is_zero(surge):
        causes.append(invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    status = obj.get("status") or {}
    causes = validate_counts(status, _COUNTS) + validate_parts(status, _PARTS)
    return causes + validate_collisions(status, (old or {}).get("status") or {})


KIND = Kind(
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    singular="deployment",
    short_names=("deploy",),
    categories=("all",),
    definition="io.k8s.api.apps.v1.Deployment",
    subresources=frozenset({"status", "scale"}),
    default=_default,
    validate=_validate,
    warnings=warn_of_workload_name,
    validate_status=_validate_status,
    prepare_for_create=first_generation,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
