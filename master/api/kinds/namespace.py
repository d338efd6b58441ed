"""Namespace: `spec.finalizers` keeps it until the namespace controller has emptied it."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid
from master.api.kinds.rules.lifecycle import only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import namespace as printer
from master.client.errors import Cause

#: Names a namespace in label selectors.
NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"


def _prepare_for_create(obj: Json) -> None:
    obj["status"] = {"phase": "Active"}
    finalizers: list[str] = obj.setdefault("spec", {}).setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def _prepare_for_update(obj: Json, old: Json) -> None:
    # Finalizers are changed through the finalize subresource only.
    for field in ("spec", "status"):
        if field in old:
            obj[field] = dict(old[field])
        else:
            obj.pop(field, None)


def _default(obj: Json) -> None:
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"]["labels"] = {**(obj["metadata"].get("labels") or {}), NAME_LABEL: name}


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    return validate_metadata(obj, old, name_rule=names.dns1123_label, namespaced=False)


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    phase = (obj.get("status") or {}).get("phase", "")
    expected = "Terminating" if obj["metadata"].get("deletionTimestamp") else "Active"
    if phase == expected:
        return []
    when = "is not empty" if expected == "Terminating" else "is empty"
    return [invalid("status.Phase", phase, f"may only be '{expected}' if `deletionTimestamp` {when}")]


KIND = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    singular="namespace",
    short_names=("ns",),
    namespaced=False,
    definition="io.k8s.api.core.v1.Namespace",
    subresources=frozenset({"status", "finalize"}),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={"status.phase": lambda obj: (obj.get("status") or {}).get("phase", "")},
)
