"""`kubectl get nodes`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"
_UNKNOWN = "<unknown>"

COLUMNS = (
    NAME,
    Column(name="Status"),
    Column(name="Roles"),
    AGE,
    Column(name="Version"),
    Column(name="Internal-IP", priority=1),
    Column(name="External-IP", priority=1),
    Column(name="OS-Image", priority=1),
    Column(name="Kernel-Version", priority=1),
    Column(name="Container-Runtime", priority=1),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    status = obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    return [
        obj["metadata"]["name"],
        _status(obj, status),
        ",".join(_roles(obj["metadata"].get("labels") or {})) or NONE,
        age(obj, now),
        info.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or _UNKNOWN,
        info.get("kernelVersion") or _UNKNOWN,
        info.get("containerRuntimeVersion") or _UNKNOWN,
    ]


def _status(obj: dict[str, Any], status: dict[str, Any]) -> str:
    ready = [c for c in status.get("conditions") or () if c.get("type") == "Ready"]
    texts = ["Ready" if c.get("status") == "True" else "NotReady" for c in ready] or ["Unknown"]
    if (obj.get("spec") or {}).get("unschedulable"):
        texts.append("SchedulingDisabled")
    return ",".join(texts)


def _roles(labels: dict[str, str]) -> list[str]:
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)} - {""}
    if labels.get(_ROLE_LABEL):
        roles.add(labels[_ROLE_LABEL])
    return sorted(roles)


def _address(status: dict[str, Any], kind: str) -> str:
    return next((a.get("address", "") for a in status.get("addresses") or () if a.get("type") == kind), NONE)
