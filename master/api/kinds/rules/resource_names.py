"""Names of resources as quotas and limit ranges count them (pkg/apis/core/helper, ValidateResourceQuotaResourceName)."""

from typing import Any

from master.api.kinds.pod_spec.resources import is_extended, validate_container_resource_name
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid
from master.client.errors import Cause
from proto.k8s.quantity import parse

#: Objects that a quota may count by these older names; `count/…` counts any.
OBJECT_COUNTS = frozenset({
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
COMPUTE = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
_QUOTA = COMPUTE | OBJECT_COUNTS | {
    "ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage", "requests.storage",
}  # fmt: skip
_STANDARD = _QUOTA | {"storage"}
_HUGE_PAGES = ("hugepages-", "requests.hugepages-")


def is_quota_resource(name: str) -> bool:
    """A resource that Kubernetes itself counts."""
    return name in _QUOTA or name.startswith(_HUGE_PAGES)


def validate_resource_name(name: str, path: str) -> list[Cause]:
    causes = [invalid(path, name, why) for why in names.qualified_name(name)]
    if causes or "/" in name or name in _STANDARD or name.startswith(_HUGE_PAGES):
        return causes
    return [invalid(path, name, "must be a standard resource type or fully qualified")]


def validate_quota_resource_name(name: str, path: str) -> list[Cause]:
    causes = validate_resource_name(name, path)
    if "/" not in name and not is_quota_resource(name):
        causes.append(invalid(path, name, "must be a standard resource for quota"))
    return causes


def validate_limited_resource_name(kind: str, name: str, path: str) -> list[Cause]:
    """`kind`: what a limit range limits; only containers and pods have containers' resources."""
    check = validate_container_resource_name if kind in ("Pod", "Container") else validate_resource_name
    return check(name, path)


def validate_resource_quantity(name: str, quantity: Any, path: str) -> list[Cause]:
    value = parse(quantity)
    causes = [] if value >= 0 else [invalid(path, quantity, "must be greater than or equal to 0")]
    if (name in OBJECT_COUNTS or is_extended(name)) and value != int(value):
        causes.append(invalid(path, quantity, "must be an integer"))
    return causes
