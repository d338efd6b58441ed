"""x-kubernetes-validations of one part: complete, and each rule compiles with the types of the schema."""

import re

from master.api.cel.estimate import ENDLESS, Estimator, Sized
from master.api.cel.schema_sizes import cardinality, size_of_schema
from master.api.cel.schema_types import type_of_schema
from master.api.custom_resources.rules.compilation import RuleError, compile_rule
from master.api.custom_resources.rules.field_path import InvalidFieldPath, resolve
from master.api.custom_resources.structural.schema import Json, is_embedded
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.client.errors import Cause

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
#: What one rule may cost, as estimated.
_COST = 10_000_000
_LINE_BREAK = re.compile(r"[\n\r]")


def validate_rules(
    schema: Json,
    path: str,
    *,
    compiles: bool,
    is_root: bool,
    no_old: str,
    repeated: int | None,
    costs: dict[str, int],
) -> tuple[list[Cause], list[Cause]]:
    """What is wrong with how rules are written, and with what they say. `costs`: gets the estimate of each, by path."""
    causes = [cause for index, rule in enumerate(schema["x-kubernetes-validations"])
              for cause in _written(rule, schema, f"{path}[{index}]")]  # fmt: skip
    if causes or not compiles:
        return causes, []
    found = type_of_schema(schema, is_root=is_root or is_embedded(schema))
    if found is None:
        text = "Internal error: internal error: failed to retrieve type information for x-kubernetes-validations"
        return [], [Cause(path, "InternalError", text)]
    errors: list[Cause] = []
    sized = size_of_schema(schema, is_root=is_root or is_embedded(schema)) or Sized(ENDLESS, 2)
    times = cardinality(sized) if repeated is None else repeated
    for index, rule in enumerate(schema["x-kubernetes-validations"]):
        where = f"{path}[{index}]"
        try:
            compiled = compile_rule(rule, schema, found)
        except RuleError as error:
            text = f"Invalid value: {_as_go(rule)}: {error}"
            errors.append(Cause(f"{where}.{error.part}", "FieldValueInvalid", text))
            continue
        for part, program, what in (
            ("rule", compiled.program, "estimated rule cost"),
            ("messageExpression", compiled.message_program, "estimated messageExpression cost"),
        ):
            if program is None:
                continue
            cost = Estimator(sized).cost(program.tree) * (times if part == "rule" else 1)
            costs[f"{where}.{part}"] = cost
            if cost > _COST:
                errors.append(forbidden(f"{where}.{part}", too_expensive(what, cost, _COST)))
        if compiled.uses_old and no_old:
            why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {no_old}"
            errors.append(invalid(f"{where}.rule", rule["rule"], why))
        elif not compiled.uses_old and rule.get("optionalOldSelf") is not None:
            why = "may not be set if oldSelf is not used in rule"
            errors.append(invalid(f"{where}.optionalOldSelf", rule["optionalOldSelf"], why))
    return [], errors


def too_expensive(what: str, cost: int, limit: int) -> str:
    """By how much an estimate is beyond its limit, and what helps."""
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return (
        f"{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, maxProperties, and "
        "maxLength where arrays, maps, and strings are declared)"
    )


def _written(rule: Json, schema: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    source, message = rule.get("rule") or "", rule.get("message") or ""
    expression, field_path = rule.get("messageExpression") or "", rule.get("fieldPath") or ""
    if not source.strip():
        causes.append(required(f"{path}.rule", "rule is not specified"))
    elif message and not message.strip():
        causes.append(invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif _LINE_BREAK.search(message.strip()):
        causes.append(invalid(f"{path}.message", message, "must not contain line breaks"))
    elif _LINE_BREAK.search(source.strip()) and not message.strip():
        causes.append(required(f"{path}.message", "message must be specified if rule contains line breaks"))
    if expression and not expression.strip():
        causes.append(required(f"{path}.messageExpression", "messageExpression must be non-empty if specified"))
    if rule.get("reason") is not None and rule["reason"] not in _REASONS:
        causes.append(not_supported(f"{path}.reason", rule["reason"], _REASONS))
    if field_path:
        if not field_path.strip():
            causes.append(invalid(f"{path}.fieldPath", field_path, "must be non-empty if specified"))
        if _LINE_BREAK.search(field_path):
            causes.append(invalid(f"{path}.fieldPath", field_path, "must not contain line breaks"))
        try:
            resolve(field_path, schema)
        except InvalidFieldPath:
            causes.append(invalid(f"{path}.fieldPath", field_path, "must be a valid path"))
    return causes


def _as_go(rule: Json) -> str:
    """A rule as Kubernetes' errors print it: Go's form of its struct."""

    def quoted(name: str) -> str:
        return '"' + (rule.get(name) or "").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    reason = "(*apiextensions.FieldValueErrorReason)(nil)" if rule.get("reason") is None else quoted("reason")
    old = rule.get("optionalOldSelf")
    optional = "(*bool)(nil)" if old is None else str(old).lower()
    return (
        f"apiextensions.ValidationRule{{Rule:{quoted('rule')}, Message:{quoted('message')}, "
        f"MessageExpression:{quoted('messageExpression')}, Reason:{reason}, FieldPath:{quoted('fieldPath')}, "
        f"OptionalOldSelf:{optional}}}"
    )
