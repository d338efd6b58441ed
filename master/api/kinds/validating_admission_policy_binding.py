"""ValidatingAdmissionPolicyBinding: puts a ValidatingAdmissionPolicy into force, with its parameters and its consequences."""

from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.admission_rules import default_match_resources, validate_match_resources
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_label_selector, validate_metadata
from master.api.printers import validating_admission_policy_binding as printer
from master.client.errors import Cause

ACTIONS = ("Audit", "Deny", "Warn")
NOT_FOUND_ACTIONS = ("Deny", "Allow")


def _default(obj: Json) -> None:
    match = (obj.get("spec") or {}).get("matchResources")
    if match is not None:
        default_match_resources(match)


def _prepare_for_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_for_update(obj: Json, old: Json) -> None:
    _default(obj)
    changed = (obj.get("spec") or {}) != (old.get("spec") or {})
    obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    spec = obj.get("spec") or {}
    name = spec.get("policyName") or ""
    if not name:
        causes.append(required("spec.policyName"))
    else:
        causes.extend(invalid("spec.policyName", name, why) for why in names.dns1123_subdomain(name))
    if spec.get("paramRef") is not None:
        causes.extend(_validate_param_ref(spec["paramRef"], "spec.paramRef"))
    if spec.get("matchResources") is not None:
        # Kubernetes' own spelling of this path.
        causes.extend(validate_match_resources(spec["matchResources"], "spec.matchResouces"))
    return causes + _validate_actions(spec.get("validationActions") or [], "spec.validationActions")


def _validate_param_ref(reference: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    name, selector, action = reference.get("name") or "", reference.get("selector"), reference.get("parameterNotFoundAction")
    both = "name and selector are mutually exclusive"
    if name:
        causes.extend(invalid(f"{path}.name", name, why) for why in names.path_segment(name))
        if selector is not None:
            causes.append(forbidden(f"{path}.name", both))
    if selector is not None:
        causes.extend(validate_label_selector(selector, f"{path}.selector"))
        if name:
            causes.append(forbidden(f"{path}.selector", both))
    elif not name:
        causes.append(required(path, "one of name or selector must be specified"))
    if not action:
        causes.append(required(f"{path}.parameterNotFoundAction"))
    elif action not in NOT_FOUND_ACTIONS:
        causes.append(not_supported(f"{path}.parameterNotFoundAction", action, NOT_FOUND_ACTIONS, in_order=True))
    return causes


def _validate_actions(actions: "list[Any]", path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            causes.append(not_supported(f"{path}[{index}]", action, ACTIONS))
        if action in actions[:index]:
            causes.append(duplicate(f"{path}[{index}]", action))
    if {"Deny", "Warn"} <= set(actions):
        why = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
            "headers serves no purpose)"
        )
        causes.append(invalid(path, actions, why))
    if not actions:
        causes.append(required(path, "at least one validation action is required"))
    return causes


KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingAdmissionPolicyBinding",
    plural="validatingadmissionpolicybindings",
    singular="validatingadmissionpolicybinding",
    definition="io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
    categories=("api-extensions",),
    namespaced=False,
    default=_default,
    validate=_validate,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
