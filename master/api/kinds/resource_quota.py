"""ResourceQuota: how much a namespace may have of each resource. Counted by its controller, enforced by admission."""

from collections.abc import Sequence

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, keyed, required
from master.api.kinds.rules.lifecycle import keep_status, only_status, without_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.resource_names import (
    COMPUTE,
    is_quota_resource,
    validate_quota_resource_name,
    validate_resource_quantity,
)
from master.api.printers import resource_quota as printer
from master.client.errors import Cause

SCOPES = frozenset({
    "BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating",
})  # fmt: skip
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_EXISTS_ONLY = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    causes.extend(_validate_amounts(spec.get("hard") or {}, "spec.hard"))
    hard = spec.get("hard") or {}
    causes.extend(_validate_scopes(spec.get("scopes") or (), hard))
    if (selector := spec.get("scopeSelector")) is not None:
        causes.extend(_validate_selector(selector, hard))
    if old is not None:
        before = (old.get("spec") or {}).get("scopes") or []
        if set(spec.get("scopes") or ()) != set(before):
            causes.append(invalid("spec.scopes", spec.get("scopes") or [], "field is immutable"))
    return causes


def _validate_amounts(amounts: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name, quantity in amounts.items():
        where = keyed(path, name)
        causes.extend(validate_quota_resource_name(name, where))
        causes.extend(validate_resource_quantity(name, quantity, where))
    return causes


def _fits(scope: str, resource: str) -> bool:
    """Whether a scope, which picks pods, makes sense for what is counted."""
    if scope not in SCOPES:
        return True
    return resource == "pods" or (scope != "BestEffort" and resource in COMPUTE)


def _validate_scopes(scopes: Sequence[str], hard: Json) -> list[Cause]:
    causes: list[Cause] = []
    path = "spec.scopes"
    for scope in scopes:
        if scope not in SCOPES:
            causes.append(invalid(path, scopes, "unsupported scope"))
        causes.extend(
            invalid(path, scopes, "unsupported scope applied to resource")
            for resource in sorted(hard)
            if is_quota_resource(resource) and not _fits(scope, resource)
        )
    causes.extend(invalid(path, scopes, "conflicting scopes") for pair in _CONFLICTS if pair <= set(scopes))
    return causes


def _validate_selector(selector: Json, hard: Json) -> list[Cause]:
    causes: list[Cause] = []
    path = "spec.scopeSelector.matchExpressions"
    expressions = selector.get("matchExpressions") or ()
    for expression in expressions:
        scope, operator = expression.get("scopeName") or "", expression.get("operator") or ""
        values = expression.get("values") or ()
        if scope not in SCOPES:
            causes.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        causes.extend(
            invalid(path, selector, "unsupported scope applied to resource")
            for resource in sorted(hard)
            if is_quota_resource(resource) and not _fits(scope, resource)
        )
        if scope in SCOPES - {"PriorityClass"} and operator != "Exists":
            causes.append(invalid(f"{path}.operator", operator, _EXISTS_ONLY))
        match operator:
            case "In" | "NotIn":
                if not values:
                    message = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                    causes.append(required(f"{path}.values", message))
            case "Exists" | "DoesNotExist":
                if values:
                    message = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"
                    causes.append(invalid(f"{path}.values", values, message))
            case _:
                causes.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    named = {expression.get("scopeName") for expression in expressions}
    causes.extend(invalid(path, selector, "conflicting scopes") for pair in _CONFLICTS if pair <= named)
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    status = obj.get("status") or {}
    return [cause for field in ("hard", "used") for cause in _validate_amounts(status.get(field) or {}, f"status.{field}")]


KIND = Kind(
    group="",
    version="v1",
    kind="ResourceQuota",
    plural="resourcequotas",
    singular="resourcequota",
    short_names=("quota",),
    definition="io.k8s.api.core.v1.ResourceQuota",
    subresources=frozenset({"status"}),
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=without_status,
    prepare_for_update=keep_status,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
