"""ReplicaSet: so many pods of one template."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.name_warnings import warn_of_workload_name
from master.api.kinds.rules.numbers import not_negative
from master.api.kinds.rules.pod_template import (
    default_template,
    validate_selector_and_template,
    validate_selector_update,
)
from master.api.kinds.rules.status_counts import default_counts, validate_counts, validate_parts
from master.api.printers import replica_set as printer
from master.client.errors import Cause

_EMPTY_SELECTOR = "empty selector is invalid for deployment"
_PARTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
_COUNTS = ("replicas", *_PARTS, "observedGeneration")


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)
    default_counts(obj, ("replicas",))


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    _default(obj)
    next_generation(obj, old)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    causes.extend(not_negative(spec.get("replicas"), "spec.replicas"))
    causes.extend(not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds"))
    causes.extend(validate_selector_and_template(spec, empty_selector=_EMPTY_SELECTOR))
    if old is not None:
        causes.extend(validate_selector_update(spec, old.get("spec") or {}))
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    status = obj.get("status") or {}
    return validate_counts(status, _COUNTS) + validate_parts(status, _PARTS)


KIND = Kind(
    group="apps",
    version="v1",
    kind="ReplicaSet",
    plural="replicasets",
    singular="replicaset",
    short_names=("rs",),
    categories=("all",),
    definition="io.k8s.api.apps.v1.ReplicaSet",
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
    field_selectors={"status.replicas": lambda obj: str((obj.get("status") or {}).get("replicas", 0))},
)
