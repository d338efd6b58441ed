"""Node: a machine that runs pods; its status is the agent's, its spec (cordon, taints, pod CIDR) the cluster's."""

import ipaddress
from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required
from master.api.kinds.rules.lifecycle import keep_status, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.resource_names import validate_resource_quantity
from master.api.printers import node as printer
from master.client.errors import Cause

TAINT_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")


def _default(obj: Json) -> None:
    obj.setdefault("spec", {})
    status = obj.get("status")
    if status and status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    spec = obj.get("spec") or {}
    causes.extend(_validate_taints(spec.get("taints") or []))
    cidrs = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    for index, cidr in enumerate(cidrs):
        if not _is_cidr(cidr):
            causes.append(
                invalid(f"spec.podCIDRs[{index}]", cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
            )
    if old is not None:
        before = old.get("spec") or {}
        for field in ("podCIDR", "podCIDRs"):
            if before.get(field) and spec.get(field) != before[field]:
                message = 'node updates may not change podCIDR except from "" to valid'
                causes.append(forbidden(f"spec.{field}", message))
        if before.get("providerID") and spec.get("providerID") != before["providerID"]:
            causes.append(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'))
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    causes: list[Cause] = []
    status = obj.get("status") or {}
    seen: set[tuple[Any, Any]] = set()
    for index, address in enumerate(status.get("addresses") or ()):
        key = (address.get("type"), address.get("address"))
        if key in seen:
            causes.append(duplicate(f"status.addresses[{index}]", address))
        seen.add(key)
    for field in ("capacity", "allocatable"):
        for name, quantity in (status.get(field) or {}).items():
            causes.extend(validate_resource_quantity(name, quantity, f"status.{field}[{name}]"))
    return causes


def _validate_taints(taints: list[Any]) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path = f"metadata.taints[{index}]"
        key, value, effect = taint.get("key") or "", taint.get("value") or "", taint.get("effect") or ""
        causes.extend(invalid(f"{path}.key", key, why) for why in names.qualified_name(key))
        causes.extend(invalid(f"{path}.value", value, why) for why in names.label_value(value))
        if not effect:
            causes.append(required(f"{path}.effect"))
        elif effect not in TAINT_EFFECTS:
            causes.append(not_supported(f"{path}.effect", effect, TAINT_EFFECTS))
        if (key, effect) in seen:
            causes.append(duplicate(path, taint))
        seen.add((key, effect))
    return causes


def _is_cidr(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return "/" in value


def _unschedulable(obj: Json) -> str:
    return "true" if (obj.get("spec") or {}).get("unschedulable") else "false"


KIND = Kind(
    group="",
    version="v1",
    kind="Node",
    plural="nodes",
    singular="node",
    short_names=("no",),
    namespaced=False,
    definition="io.k8s.api.core.v1.Node",
    subresources=frozenset({"status", "proxy"}),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_update=keep_status,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={"spec.unschedulable": _unschedulable},
)
