"""Pod: one or more containers on one node; all but a few fields of its spec are fixed once it exists."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.pod_spec.defaults import default_pod, default_pod_spec
from master.api.kinds.pod_spec.gates import GATED_CONDITION
from master.api.kinds.pod_spec.qos import qos_class
from master.api.kinds.pod_spec.resize import default_resize_policies, keep_resize_policies
from master.api.kinds.pod_spec.updates import validate_pod_update
from master.api.kinds.pod_spec.validation import validate_pod_spec
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden
from master.api.kinds.rules.lifecycle import next_generation, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.name_warnings import warn_of_pod_name
from master.api.printers import pod as printer
from master.client.errors import Cause


def _prepare_for_create(obj: Json) -> None:
    spec = obj.get("spec") or {}
    obj["status"] = {"phase": "Pending"}
    if spec.get("schedulingGates"):
        obj["status"]["conditions"] = [dict(GATED_CONDITION)]
    obj["metadata"]["generation"] = 1
    # Not with the other defaults: a pod that runs never gets it, for a changed container is started anew.
    default_resize_policies(spec)


def _derive(obj: Json) -> None:
    # Only now: admission may have set requests and limits.
    obj["status"]["qosClass"] = qos_class(obj.get("spec") or {})


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    default_pod(spec)
    default_pod_spec(spec)


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    _default(obj)
    keep_resize_policies(obj["spec"], old.get("spec") or {})
    next_generation(obj, old)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    causes.extend(validate_pod_spec(obj.get("spec") or {}, "spec"))
    if old is not None:
        causes.extend(validate_pod_update(obj, old))
    elif (obj.get("spec") or {}).get("ephemeralContainers"):
        causes.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    return causes


def _spec(field: str, obj: Json) -> str:
    return str((obj.get("spec") or {}).get(field) or "")


def _status(field: str, obj: Json) -> str:
    return str((obj.get("status") or {}).get(field) or "")


KIND = Kind(
    group="",
    version="v1",
    kind="Pod",
    plural="pods",
    singular="pod",
    short_names=("po",),
    categories=("all",),
    definition="io.k8s.api.core.v1.Pod",
    subresources=frozenset(
        {"status", "log", "exec", "attach", "portforward", "proxy", "ephemeralcontainers", "resize", "binding", "eviction"}
    ),
    default=_default,
    validate=_validate,
    warnings=warn_of_pod_name,
    derive=_derive,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={
        "spec.nodeName": lambda obj: _spec("nodeName", obj),
        "spec.restartPolicy": lambda obj: _spec("restartPolicy", obj),
        "spec.schedulerName": lambda obj: _spec("schedulerName", obj),
        "spec.serviceAccountName": lambda obj: _spec("serviceAccountName", obj),
        "spec.hostNetwork": lambda obj: "true" if (obj.get("spec") or {}).get("hostNetwork") else "false",
        "status.phase": lambda obj: _status("phase", obj),
        "status.podIP": lambda obj: _status("podIP", obj),
        # Accepted, and never anybody's: as in Kubernetes, whose pods have no such field to select by.
        "status.podIPs": lambda obj: "",
        "status.nominatedNodeName": lambda obj: _status("nominatedNodeName", obj),
    },
)
