"""Which requests admissionregistration.k8s.io's kinds match (pkg/apis/admissionregistration/validation)."""

from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required, too_many
from master.api.kinds.rules.metadata import validate_label_selector
from master.client.errors import Cause

Json = dict[str, Any]

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
_MAX_CONDITIONS = 64


def default_rule(rule: Json) -> None:
    if rule.get("scope") is None:
        rule["scope"] = "*"


def default_match_resources(match: Json) -> None:
    if match.get("matchPolicy") is None:
        match["matchPolicy"] = "Equivalent"
    for selector in ("namespaceSelector", "objectSelector"):
        match.setdefault(selector, {})
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in match.get(field) or ():
            default_rule(rule)


def validate_match_resources(match: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    policy = match.get("matchPolicy")
    if policy is None:
        causes.append(required(f"{path}.matchPolicy"))
    elif policy not in MATCH_POLICIES:
        causes.append(not_supported(f"{path}.matchPolicy", policy, MATCH_POLICIES))
    for selector in ("namespaceSelector", "objectSelector"):
        if match.get(selector) is None:
            causes.append(required(f"{path}.{selector}"))
        else:
            causes.extend(validate_label_selector(match[selector], f"{path}.{selector}"))
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(field) or ()):
            where = f"{path}.{field}[{index}]"
            causes.extend(_validate_resource_names(rule.get("resourceNames") or (), f"{where}.resourceNames"))
            causes.extend(validate_rule(rule, where))
    return causes


def _validate_resource_names(resource_names: Any, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, name in enumerate(resource_names):
        causes.extend(invalid(f"{path}[{index}]", name, why) for why in names.path_segment(name))
        if name in resource_names[:index]:
            causes.append(duplicate(f"{path}[{index}]", name))
    return causes


def validate_rule(rule: Json, path: str) -> list[Cause]:
    """A RuleWithOperations."""
    causes: list[Cause] = []
    operations = rule.get("operations") or []
    if not operations:
        causes.append(required(f"{path}.operations"))
    if len(operations) > 1 and "*" in operations:
        causes.append(invalid(f"{path}.operations", operations, "if '*' is present, must not specify other operations"))
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            causes.append(not_supported(f"{path}.operations[{index}]", operation, OPERATIONS))
    for field, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(field) or []
        if not values:
            causes.append(required(f"{path}.{field}"))
        if len(values) > 1 and "*" in values:
            causes.append(invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {what}"))
        if field == "apiVersions":
            causes.extend(required(f"{path}.{field}[{index}]") for index, value in enumerate(values) if not value)
    causes.extend(_validate_resources(rule.get("resources") or [], f"{path}.resources"))
    scope = rule.get("scope")
    if scope is not None and scope not in SCOPES:
        causes.append(not_supported(f"{path}.scope", scope, SCOPES))
    return causes


def _validate_resources(resources: "list[str]", path: str) -> list[Cause]:
    causes: list[Cause] = []
    if not resources:
        causes.append(required(path))
    whole_resources: set[str] = set()
    whole_subresources: set[str] = set()
    for index, name in enumerate(resources):
        where = f"{path}[{index}]"
        if not name:
            causes.append(required(where))
            continue
        resource, slash, subresource = name.partition("/")
        if not slash:
            continue
        if resource in whole_resources:
            causes.append(invalid(where, name, f"if '{resource}/*' is present, must not specify {name}"))
        if subresource in whole_subresources:
            causes.append(invalid(where, name, f"if '*/{subresource}' is present, must not specify {name}"))
        if subresource == "*":
            whole_resources.add(resource)
        if resource == "*":
            whole_subresources.add(subresource)
    if len(resources) > 1 and "*/*" in resources:
        causes.append(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
    if "*" in resources and any(name and name != "*" and "/" not in name for name in resources):
        why = "if '*' is present, must not specify other resources without subresources"
        causes.append(invalid(path, resources, why))
    return causes


def validate_match_conditions(conditions: Any, path: str) -> list[Cause]:
    """Their names and that they have an expression. CEL itself is compiled by who runs it."""
    causes: list[Cause] = []
    seen: set[str] = set()
    conditions = conditions or ()
    if len(conditions) > _MAX_CONDITIONS:
        causes.append(too_many(path, len(conditions), _MAX_CONDITIONS))
    for index, condition in enumerate(conditions):
        where, name = f"{path}[{index}]", condition.get("name") or ""
        if not (condition.get("expression") or "").strip():
            causes.append(required(f"{where}.expression"))
        if not name:
            causes.append(required(f"{where}.name"))
            continue
        causes.extend(invalid(f"{where}.name", name, why) for why in names.qualified_name(name))
        if name in seen:
            causes.append(duplicate(f"{where}.name", name))
        seen.add(name)
    return causes
