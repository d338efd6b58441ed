"""StatefulSet: pods with names and volumes that stay theirs; most of its spec is fixed once it exists."""

from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.claims import default_claim
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.int_or_percent import is_zero, validate_int_or_percent
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_label_selector, validate_metadata
from master.api.kinds.rules.numbers import not_negative
from master.api.kinds.rules.pod_template import (
    default_template,
    validate_restarts_always,
    validate_selected,
    validate_template,
)
from master.api.kinds.rules.semantic import semantic
from master.api.kinds.rules.status_counts import default_counts, validate_collisions, validate_counts, validate_parts
from master.api.printers import stateful_set as printer
from master.client.errors import Cause

RETENTION = ("Delete", "Retain")
_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)  # fmt: skip
_IMMUTABLE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_PARTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_COUNTS = ("replicas", *_PARTS, "observedGeneration", "collisionCount")


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        strategy["rollingUpdate"].setdefault("partition", 0)
    policy = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    for when in ("whenDeleted", "whenScaled"):
        if not policy.get(when):
            policy[when] = "Retain"
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    default_template(spec)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim")
        default_claim(claim)
    default_counts(obj, ("replicas", "availableReplicas"))


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    _default(obj)
    next_generation(obj, old)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    # Its name begins its pods' names, which are their host names too.
    causes = validate_metadata(obj, old, name_rule=names.dns1123_label)
    spec = obj.get("spec") or {}
    causes.extend(_validate_policies(spec))
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
        causes.extend(not_negative(spec.get(field), f"spec.{field}"))
    causes.extend(not_negative((spec.get("ordinals") or {}).get("start"), "spec.ordinals.start"))
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is None:
        causes.append(required("spec.selector"))
    else:
        causes.extend(validate_label_selector(selector, "spec.selector"))
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            causes.append(invalid("spec.selector", selector, "empty selector is invalid for statefulset"))
        else:
            causes.extend(validate_selected(selector, template, "spec.template"))
    claims = spec.get("volumeClaimTemplates") or ()
    claimed = [{"name": (claim.get("metadata") or {}).get("name") or ""} for claim in claims]
    causes.extend(validate_template(template, "spec.template", claimed=claimed))
    causes.extend(validate_restarts_always(template, "spec.template", kind="StatefulSet"))
    if name := spec.get("serviceName"):
        before = (old or {}).get("spec") or {}
        if name != before.get("serviceName"):
            causes.extend(invalid("spec.serviceName", name, why) for why in names.dns1123_subdomain(name))
    if old is not None and _fixed(spec) != _fixed(old.get("spec") or {}):
        causes.append(forbidden("spec", _IMMUTABLE))
    return causes


def _fixed(spec: Json) -> Any:
    return semantic({field: value for field, value in spec.items() if field not in _MUTABLE})


def _validate_policies(spec: Json) -> list[Cause]:
    causes: list[Cause] = []
    management, strategy = spec.get("podManagementPolicy") or "", spec.get("updateStrategy") or {}
    if not management:
        causes.append(required("spec.podManagementPolicy"))
    elif management not in ("OrderedReady", "Parallel"):
        causes.append(invalid("spec.podManagementPolicy", management, "must be 'OrderedReady' or 'Parallel'"))
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "OnDelete":
            if rolling is not None:
                message = "only allowed for updateStrategy 'RollingUpdate'"
                causes.append(invalid("spec.updateStrategy.rollingUpdate", rolling, message))
        case "RollingUpdate":
            causes.extend(_validate_rolling(rolling or {}, "spec.updateStrategy.rollingUpdate"))
        case _:
            causes.append(invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'"))
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for when in ("whenDeleted", "whenScaled"):
        if retention.get(when) not in RETENTION:
            path = f"spec.persistentVolumeClaimRetentionPolicy.{when}"
            causes.append(not_supported(path, retention.get(when) or "", RETENTION))
    return causes


def _validate_rolling(rolling: Json, path: str) -> list[Cause]:
    causes = not_negative(rolling.get("partition"), f"{path}.partition")
    unavailable = rolling.get("maxUnavailable")
    if unavailable is not None:
        wrong = validate_int_or_percent(unavailable, f"{path}.maxUnavailable", at_most_all=True)
        causes.extend(wrong)
        if not wrong and is_zero(unavailable):
            causes.append(invalid(f"{path}.maxUnavailable", unavailable, "cannot be 0"))
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    status = obj.get("status") or {}
    causes = validate_counts(status, _COUNTS) + validate_parts(status, _PARTS, ready="status.readyReplicas")
    return causes + validate_collisions(status, (old or {}).get("status") or {})


KIND = Kind(
    group="apps",
    version="v1",
    kind="StatefulSet",
    plural="statefulsets",
    singular="statefulset",
    short_names=("sts",),
    categories=("all",),
    definition="io.k8s.api.apps.v1.StatefulSet",
    subresources=frozenset({"status", "scale"}),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=first_generation,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
