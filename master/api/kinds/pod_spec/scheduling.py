"""Validation of what decides a pod's node: selectors, affinity, tolerations, topology spread (validateAffinity and others)."""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_label_selector, validate_labels
from master.client.errors import Cause

Json = dict[str, Any]

EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def validate_scheduling(spec: Json, path: str) -> list[Cause]:
    causes = validate_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    causes.extend(_validate_tolerations(spec.get("tolerations") or (), f"{path}.tolerations"))
    affinity = spec.get("affinity") or {}
    if node := affinity.get("nodeAffinity"):
        causes.extend(_validate_node_affinity(node, f"{path}.affinity.nodeAffinity"))
    for kind in ("podAffinity", "podAntiAffinity"):
        if affinity.get(kind):
            causes.extend(_validate_pod_affinity(affinity[kind], f"{path}.affinity.{kind}"))
    causes.extend(_validate_spread(spec.get("topologySpreadConstraints") or (), f"{path}.topologySpreadConstraints"))
    if name := spec.get("nodeName"):
        causes.extend(invalid(f"{path}.nodeName", name, why) for why in names.dns1123_subdomain(name))
    if spec.get("schedulingGates") and spec.get("nodeName"):
        causes.append(forbidden(f"{path}.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return causes


def _validate_tolerations(tolerations: Sequence[Json], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, toleration in enumerate(tolerations):
        where = f"{path}[{index}]"
        key, value = toleration.get("key") or "", toleration.get("value") or ""
        operator, effect = toleration.get("operator") or "", toleration.get("effect") or ""
        if key:
            causes.extend(invalid(f"{where}.key", key, why) for why in names.qualified_name(key))
        elif operator != "Exists":
            message = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            causes.append(invalid(f"{where}.operator", operator, message))
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            causes.append(invalid(f"{where}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
        match operator:
            case "" | "Equal":
                causes.extend(invalid(f"{where}.operator", value, why) for why in names.label_value(value))
            case "Exists":
                if value:
                    causes.append(invalid(f"{where}.operator", toleration, "value must be empty when `operator` is 'Exists'"))
            case _:
                causes.append(not_supported(f"{where}.operator", operator, ["Equal", "Exists"]))
        if effect and effect not in EFFECTS:
            causes.append(not_supported(f"{where}.effect", effect, EFFECTS))
    return causes


def _validate_node_affinity(affinity: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    selector = affinity.get(_REQUIRED)
    if selector is not None:
        causes.extend(validate_node_selector(selector, f"{path}.{_REQUIRED}"))
    for index, preferred in enumerate(affinity.get(_PREFERRED) or ()):
        where = f"{path}.{_PREFERRED}[{index}]"
        causes.extend(_validate_weight(preferred.get("weight") or 0, f"{where}.weight"))
        causes.extend(_validate_node_term(preferred.get("preference") or {}, f"{where}.preference"))
    return causes


def validate_node_selector(selector: Json, path: str) -> list[Cause]:
    """A core/v1 NodeSelector, as affinity and PersistentVolumes have it."""
    terms, where = selector.get("nodeSelectorTerms") or (), f"{path}.nodeSelectorTerms"
    causes = [] if terms else [required(where, "must have at least one node selector term")]
    for index, term in enumerate(terms):
        causes.extend(_validate_node_term(term, f"{where}[{index}]"))
    return causes


def _validate_node_term(term: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{index}]"
        operator, values, key = expression.get("operator") or "", expression.get("values") or [], expression.get("key") or ""
        match operator:
            case "In" | "NotIn":
                if not values:
                    causes.append(required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
            case "Exists" | "DoesNotExist":
                if values:
                    message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    causes.append(forbidden(f"{where}.values", message))
            case "Gt" | "Lt":
                if len(values) != 1:
                    message = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                    causes.append(required(f"{where}.values", message))
            case _:
                causes.append(invalid(f"{where}.operator", operator, "not a valid selector operator"))
        causes.extend(invalid(f"{where}.key", key, why) for why in names.qualified_name(key))
    for index, expression in enumerate(term.get("matchFields") or ()):
        where = f"{path}.matchFields[{index}]"
        if expression.get("operator") not in ("In", "NotIn"):
            causes.append(invalid(f"{where}.operator", expression.get("operator") or "", "not a valid selector operator"))
        elif len(expression.get("values") or ()) != 1:
            message = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            causes.append(required(f"{where}.values", message))
        if expression.get("key") != "metadata.name":
            causes.append(invalid(f"{where}.key", expression.get("key") or "", "not a valid field selector key"))
    return causes


def _validate_pod_affinity(affinity: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, term in enumerate(affinity.get(_REQUIRED) or ()):
        causes.extend(_validate_pod_term(term, f"{path}.{_REQUIRED}[{index}]"))
    for index, weighted in enumerate(affinity.get(_PREFERRED) or ()):
        where = f"{path}.{_PREFERRED}[{index}]"
        causes.extend(_validate_weight(weighted.get("weight") or 0, f"{where}.weight"))
        causes.extend(_validate_pod_term(weighted.get("podAffinityTerm") or {}, f"{where}.podAffinityTerm"))
    return causes


def _validate_pod_term(term: Json, path: str) -> list[Cause]:
    causes = validate_label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    causes.extend(validate_label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector"))
    for index, namespace in enumerate(term.get("namespaces") or ()):
        causes.extend(invalid(f"{path}.namespaces[{index}]", namespace, why) for why in names.dns1123_label(namespace))
    key = term.get("topologyKey") or ""
    if not key:
        causes.append(required(f"{path}.topologyKey", "can not be empty"))
    causes.extend(invalid(f"{path}.topologyKey", key, why) for why in names.qualified_name(key))
    return causes


def _validate_weight(weight: int, path: str) -> list[Cause]:
    return [] if 1 <= weight <= 100 else [invalid(path, weight, "must be in the range 1-100")]


def _validate_spread(constraints: Sequence[Json], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, constraint in enumerate(constraints):
        where = f"{path}[{index}]"
        skew, key = constraint.get("maxSkew") or 0, constraint.get("topologyKey") or ""
        action = constraint.get("whenUnsatisfiable") or ""
        if skew <= 0:
            causes.append(invalid(f"{where}.maxSkew", skew, "must be greater than zero"))
        if not key:
            causes.append(required(f"{where}.topologyKey", "can not be empty"))
        else:
            causes.extend(invalid(f"{where}.topologyKey", key, why) for why in names.qualified_name(key))
        if action not in UNSATISFIABLE:
            causes.append(not_supported(f"{where}.whenUnsatisfiable", action, UNSATISFIABLE))
        if (key, action) in seen:
            causes.append(duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
        seen.add((key, action))
        minimum = constraint.get("minDomains")
        if minimum is not None and minimum <= 0:
            causes.append(invalid(f"{where}.minDomains", minimum, "must be greater than zero"))
        causes.extend(validate_label_selector(constraint.get("labelSelector"), f"{where}.labelSelector"))
    return causes
