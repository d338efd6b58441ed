"""A Job's podFailurePolicy and successPolicy (validatePodFailurePolicy, validateSuccessPolicy)."""

from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, invalid, invalid_whole, not_supported, required, too_long, too_many
from master.api.kinds.rules.job_indexes import InvalidIndexes, count_indexes
from master.api.kinds.rules.numbers import not_negative
from master.client.errors import Cause

Json = dict[str, Any]

ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_MAX_RULES, _MAX_SUCCESS_RULES, _MAX_CONDITIONS, _MAX_EXIT_CODES = 20, 20, 20, 255
_INDEXES_LENGTH = 64 * 1024
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")


def validate_failure_policy(policy: Json, spec: Json, path: str) -> list[Cause]:
    rules, where = policy.get("rules") or (), f"{path}.rules"
    causes = [too_many(where, len(rules), _MAX_RULES)] if len(rules) > _MAX_RULES else []
    pod = (spec.get("template") or {}).get("spec") or {}
    containers = {c.get("name") for field in ("containers", "initContainers") for c in pod.get(field) or ()}
    for index, rule in enumerate(rules):
        causes.extend(_validate_rule(rule, spec, f"{where}[{index}]", containers))
    return causes


def _validate_rule(rule: Json, spec: Json, path: str, containers: set[Any]) -> list[Cause]:
    causes: list[Cause] = []
    action = rule.get("action") or ""
    if not action:
        causes.append(required(f"{path}.action", f"valid values: {_quoted(ACTIONS)}"))
    elif action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            causes.append(invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    elif action not in ACTIONS:
        causes.append(not_supported(f"{path}.action", action, ACTIONS))
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
    if codes is not None:
        causes.extend(_validate_exit_codes(codes, f"{path}.onExitCodes", containers))
    if len(conditions) > _MAX_CONDITIONS:
        causes.append(too_many(f"{path}.onPodConditions", len(conditions), _MAX_CONDITIONS))
    for index, pattern in enumerate(conditions):
        where, status = f"{path}.onPodConditions[{index}]", pattern.get("status") or ""
        kind = pattern.get("type") or ""
        causes.extend(invalid(f"{where}.type", kind, why) for why in names.qualified_name(kind))
        if not status:
            causes.append(required(f"{where}.status", f"valid values: {_quoted(_STATUSES)}"))
        elif status not in _STATUSES:
            causes.append(not_supported(f"{where}.status", status, _STATUSES))
    if codes is not None and conditions:
        causes.append(invalid_whole(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        causes.append(invalid_whole(path, "specifying one of OnExitCodes and OnPodConditions is required"))
    return causes


def _validate_exit_codes(codes: Json, path: str, containers: set[Any]) -> list[Cause]:
    causes: list[Cause] = []
    operator, container, values = codes.get("operator") or "", codes.get("containerName"), codes.get("values") or []
    if not operator:
        causes.append(required(f"{path}.operator", f"valid values: {_quoted(_OPERATORS)}"))
    elif operator not in _OPERATORS:
        causes.append(not_supported(f"{path}.operator", operator, _OPERATORS))
    if container is not None and container not in containers:
        message = "must be one of the container or initContainer names in the pod template"
        causes.append(invalid(f"{path}.containerName", container, message))
    if not values:
        causes.append(invalid(f"{path}.values", values, "at least one value is required"))
    elif len(values) > _MAX_EXIT_CODES:
        causes.append(too_many(f"{path}.values", len(values), _MAX_EXIT_CODES))
    seen: set[int] = set()
    for index, value in enumerate(values):
        where = f"{path}.values[{index}]"
        if operator == "In" and value == 0:
            causes.append(invalid(where, value, "must not be 0 for the In operator"))
        if value in seen:
            causes.append(duplicate(where, value))
        seen.add(value)
    if values != sorted(values):
        causes.append(invalid(f"{path}.values", values, "must be ordered"))
    return causes


def validate_success_policy(policy: Json, completions: int, path: str) -> list[Cause]:
    rules, where = policy.get("rules") or (), f"{path}.rules"
    causes: list[Cause] = []
    if not rules:
        causes.append(required(where, "at least one rules must be specified when the successPolicy is specified"))
    if len(rules) > _MAX_SUCCESS_RULES:
        causes.append(too_many(where, len(rules), _MAX_SUCCESS_RULES))
    for index, rule in enumerate(rules):
        causes.extend(_validate_success_rule(rule, completions, f"{where}[{index}]"))
    return causes


def _validate_success_rule(rule: Json, completions: int, path: str) -> list[Cause]:
    causes: list[Cause] = []
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        causes.append(required(path, "at least one of succeededCount or succeededIndexes must be specified"))
    total = 0
    if indexes is not None:
        if len(indexes) > _INDEXES_LENGTH:
            causes.append(too_long(f"{path}.succeededIndexes", _INDEXES_LENGTH))
        try:
            total = count_indexes(indexes, completions)
        except InvalidIndexes as error:
            causes.append(invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {error}"))
    if count is not None:
        where = f"{path}.succeededCount"
        causes.extend(not_negative(count, where))
        if count > completions:
            message = f"must be less than or equal to {completions} (the number of specified completions)"
            causes.append(invalid(where, count, message))
        if indexes is not None and count > total:
            message = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            causes.append(invalid(where, count, message))
    return causes


def _quoted(values: tuple[str, ...]) -> str:
    """A list of strings as Go's %q prints it."""
    return "[" + " ".join(f'"{value}"' for value in values) + "]"
