"""ValidatingAdmissionPolicy: rules in CEL that may refuse a write. Compiling and running CEL is `master.api.admission`'s."""

import re

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.admission_rules import (
    FAILURE_POLICIES,
    default_match_resources,
    validate_match_conditions,
    validate_match_resources,
)
from master.api.kinds.rules.conditions import validate_conditions
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import validating_admission_policy as printer
from master.client.errors import Cause

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_MAX_ANNOTATIONS, _LONGEST_VALUE_EXPRESSION = 20, 5 * 1024
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*\Z")
_RESERVED = frozenset(
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
        "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("failurePolicy") is None:
        spec["failurePolicy"] = "Fail"
    if spec.get("matchConstraints") is not None:
        default_match_resources(spec["matchConstraints"])


def _prepare_for_update(obj: Json, old: Json) -> None:
    _default(obj)
    next_generation(obj, old)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    spec, path = obj.get("spec") or {}, "spec"
    policy = spec.get("failurePolicy")
    if policy is None:
        causes.append(required(f"{path}.failurePolicy"))
    elif policy not in FAILURE_POLICIES:
        causes.append(not_supported(f"{path}.failurePolicy", policy, FAILURE_POLICIES))
    if spec.get("paramKind") is not None:
        causes.extend(_validate_param_kind(spec["paramKind"], f"{path}.paramKind"))
    match = spec.get("matchConstraints")
    if match is None:
        causes.append(required(f"{path}.matchConstraints"))
    else:
        causes.extend(validate_match_resources(match, f"{path}.matchConstraints"))
        if not match.get("resourceRules"):
            causes.append(required(f"{path}.matchConstraints.resourceRules"))
    causes.extend(validate_match_conditions(spec.get("matchConditions"), f"{path}.matchConditions"))
    for index, variable in enumerate(spec.get("variables") or ()):
        causes.extend(_validate_variable(variable, f"{path}.variables[{index}]"))
    validations, annotations = spec.get("validations") or (), spec.get("auditAnnotations") or ()
    if not validations and not annotations:
        why = "validations or auditAnnotations must contain at least one item"
        causes += [required(f"{path}.validations", why), required(f"{path}.auditAnnotations", why)]
    for index, validation in enumerate(validations):
        causes.extend(_validate_validation(validation, f"{path}.validations[{index}]"))
    if len(annotations) > _MAX_ANNOTATIONS:
        why = f"must not have more than {_MAX_ANNOTATIONS} auditAnnotations"
        causes.append(invalid(f"{path}.auditAnnotations", annotations, why))
    keys: set[str] = set()
    for index, annotation in enumerate(annotations):
        where = f"{path}.auditAnnotations[{index}]"
        causes.extend(_validate_annotation(annotation, obj["metadata"].get("name") or "", where))
        key = annotation.get("key") or ""
        if key in keys:
            causes.append(duplicate(f"{where}.key", key))
        keys.add(key)
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    status = obj.get("status") or {}
    for index, warning in enumerate((status.get("typeChecking") or {}).get("expressionWarnings") or ()):
        where = f"status.typeChecking.expressionWarnings[{index}]"
        if not warning.get("warning"):
            causes.append(required(f"{where}.warning"))
        if not (warning.get("fieldRef") or "").strip():
            causes.append(required(f"{where}.fieldRef"))
    return causes + validate_conditions(status.get("conditions"), "status.conditions")


def _validate_param_kind(param: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    api_version, kind = param.get("apiVersion") or "", param.get("kind") or ""
    group, _, version = api_version.rpartition("/")
    if not api_version:
        causes.append(required(f"{path}.apiVersion"))
    elif "/" in group:
        causes.append(invalid(f"{path}.apiVersion", api_version, f"unexpected GroupVersion string: {api_version}"))
    else:
        if group and (wrong := names.dns1123_subdomain(group)):
            causes.append(invalid(f"{path}.apiVersion", group, ",".join(wrong)))
        if not version:
            causes.append(invalid(f"{path}.apiVersion", api_version, "version must be specified"))
        elif wrong := names.dns1035_label(version):
            causes.append(invalid(f"{path}.apiVersion", version, ",".join(wrong)))
    if not kind:
        causes.append(required(f"{path}.kind"))
    elif wrong := names.dns1035_label(kind.lower()):
        why = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
        causes.append(invalid(f"{path}.kind", kind, why))
    return causes


def _validate_variable(variable: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    name = variable.get("name") or ""
    if not name.strip():
        causes.append(required(f"{path}.name", "name is not specified"))
    elif not _IDENTIFIER.match(name) or name in _RESERVED:
        causes.append(invalid(f"{path}.name", name, "name is not a valid CEL identifier"))
    if not (variable.get("expression") or "").strip():
        causes.append(required(f"{path}.expression", "expression is not specified"))
    return causes


def _validate_validation(validation: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    message, message_expression = validation.get("message") or "", validation.get("messageExpression") or ""
    if not (validation.get("expression") or "").strip():
        causes.append(required(f"{path}.expression", "expression is not specified"))
    if message_expression and not message_expression.strip():
        causes.append(invalid(f"{path}.messageExpression", message_expression, "must be non-empty if specified"))
    if message and not message.strip():
        causes.append(invalid(f"{path}.message", message, "message must be non-empty if specified"))
    elif "\n" in message.strip() or "\r" in message.strip():
        causes.append(invalid(f"{path}.message", message, "message must not contain line breaks"))
    reason = validation.get("reason")
    if reason is not None and reason not in REASONS:
        causes.append(not_supported(f"{path}.reason", reason, REASONS))
    return causes


def _validate_annotation(annotation: Json, name: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    key, expression = annotation.get("key") or "", (annotation.get("valueExpression") or "").strip()
    if name:
        qualified = f"{name}/{key}"
        causes.extend(invalid(f"{path}.key", qualified, why) for why in names.qualified_name(qualified))
    else:
        causes.append(invalid(f"{path}.key", key, "requires metadata.name be non-empty"))
    if not expression:
        causes.append(required(f"{path}.valueExpression", "valueExpression is not specified"))
    elif len(expression.encode()) > _LONGEST_VALUE_EXPRESSION:
        why = f"must not exceed {_LONGEST_VALUE_EXPRESSION} bytes in length"
        causes.append(required(f"{path}.valueExpression", why))
    return causes


KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingAdmissionPolicy",
    plural="validatingadmissionpolicies",
    singular="validatingadmissionpolicy",
    definition="io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
    categories=("api-extensions",),
    namespaced=False,
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=first_generation,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
