"""ReplicationController: what ReplicaSet was before; its selector is a plain map of labels."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.pod_spec.defaults import default_pod_spec
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import required
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.name_warnings import warn_of_workload_name
from master.api.kinds.rules.numbers import not_negative
from master.api.kinds.rules.pod_template import validate_restarts_always, validate_selected, validate_template
from master.api.kinds.rules.status_counts import default_counts, validate_counts, validate_parts
from master.api.printers import replication_controller as printer
from master.client.errors import Cause

_PARTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
_COUNTS = ("replicas", *_PARTS, "observedGeneration")


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    template = spec.get("template")
    if template is not None:
        default_pod_spec(template.setdefault("spec", {}))
        labels = template.setdefault("metadata", {}).get("labels")
        if labels and not spec.get("selector"):
            spec["selector"] = dict(labels)
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    default_counts(obj, ("replicas",))


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    _default(obj)
    next_generation(obj, old)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    causes.extend(not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds"))
    selector, template = spec.get("selector"), spec.get("template")
    if not selector:
        causes.append(required("spec.selector"))
    causes.extend(not_negative(spec.get("replicas"), "spec.replicas"))
    if template is None:
        return [*causes, required("spec.template")]
    if selector:
        causes.extend(validate_selected({"matchLabels": selector}, template, "spec.template"))
    causes.extend(validate_template(template, "spec.template"))
    return causes + validate_restarts_always(template, "spec.template", kind="ReplicationController")


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    status = obj.get("status") or {}
    return validate_counts(status, _COUNTS) + validate_parts(status, _PARTS)


KIND = Kind(
    group="",
    version="v1",
    kind="ReplicationController",
    plural="replicationcontrollers",
    singular="replicationcontroller",
    short_names=("rc",),
    categories=("all",),
    definition="io.k8s.api.core.v1.ReplicationController",
    subresources=frozenset({"status", "scale"}),
    default=_default,
    validate=_validate,
    warnings=warn_of_workload_name,
    validate_status=_validate_status,
    prepare_for_create=first_generation,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    orphans_by_default=True,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={"status.replicas": lambda obj: str((obj.get("status") or {}).get("replicas", 0))},
)
