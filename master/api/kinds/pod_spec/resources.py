"""Validation of a container's resource requests and limits (ValidateContainerResourceRequirements)."""

from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, required
from master.client.errors import Cause
from proto.k8s.quantity import InvalidQuantity, parse

Json = dict[str, Any]

_STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})
_HUGE_PAGES = "hugepages-"


def validate_resources(resources: Json, path: str) -> list[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    causes = [
        *_validate_quantities(limits, f"{path}.limits"),
        *_validate_quantities(requests, f"{path}.requests"),
    ]
    if causes:
        return causes
    for name, quantity in requests.items():
        limit = limits.get(name)
        where = f"{path}.requests"
        if limit is None:
            if name.startswith(_HUGE_PAGES) or is_extended(name):
                causes.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        elif (name.startswith(_HUGE_PAGES) or is_extended(name)) and parse(quantity) != parse(limit):
            causes.append(invalid(where, quantity, f"must be equal to {name} limit of {limit}"))
        elif parse(quantity) > parse(limit):
            causes.append(invalid(where, quantity, f"must be less than or equal to {name} limit of {limit}"))
    return causes


def _validate_quantities(quantities: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name, quantity in quantities.items():
        where = f"{path}[{name}]"
        causes.extend(validate_container_resource_name(name, where))
        try:
            value = parse(quantity)
        except InvalidQuantity as error:
            causes.append(invalid(where, quantity, str(error)))
            continue
        if value < 0:
            causes.append(invalid(where, quantity, "must be greater than or equal to 0"))
        if (is_extended(name) or name.startswith(_HUGE_PAGES)) and value != int(value):
            causes.append(invalid(where, quantity, "must be an integer"))
    return causes


def validate_container_resource_name(name: str, path: str) -> list[Cause]:
    if name in _STANDARD or name.startswith(_HUGE_PAGES):
        return []
    causes = [invalid(path, name, why) for why in names.qualified_name(name)]
    if causes:
        return causes
    if "/" not in name:
        return [
            invalid(path, name, "must be a standard resource type or fully qualified"),
            invalid(path, name, "must be a standard resource for containers"),
        ]
    if not is_extended(name):
        return [invalid(path, name, "doesn't follow extended resource name standard")]
    return []


def is_extended(name: str) -> bool:
    """A resource of the user's own: of a domain that is not Kubernetes'."""
    domain, slash, _ = name.rpartition("/")
    return bool(slash) and not domain.endswith("kubernetes.io") and not name.startswith("requests.")


def is_overcommittable(name: str) -> bool:
    """Whether requests may be less than limits: a native resource that is no huge page."""
    return not is_extended(name) and not name.startswith(_HUGE_PAGES)
