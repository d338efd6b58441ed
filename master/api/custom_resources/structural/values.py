"""Validation of values against a schema, in the words of kube-openapi's validator.

On an update, what has not changed is not looked at again (ratcheting): an old value that a newer schema refuses may stay.
Values correlate by key in objects and in lists of type map; elements of other lists have no old value.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from master.api.cel.regular_expressions import InvalidPattern, found
from master.api.custom_resources.structural.formats import fits
from master.api.custom_resources.structural.schema import Json, additional_of, is_int_or_string, items_of, properties_of
from master.api.kinds.rules.field_errors import invalid, not_supported, required, too_long, too_many
from master.client.errors import Cause

#: The old value of something new, or of something that cannot be correlated.
NOTHING: Any = object()
#: So many errors of one object are told.
_ENOUGH = 100


def validate_value(value: Any, schema: Json, path: str, old: Any = NOTHING) -> list[Cause]:
    """Every error of a value; `path` "" for a whole object."""
    if old is not NOTHING and value == old and type(value) is type(old):
        return []
    causes: list[Cause] = []
    _check(value, schema, path, old, causes)
    return causes[:_ENOUGH]


def _check(value: Any, schema: Json, path: str, old: Any, causes: list[Cause]) -> None:
    if value is None and schema.get("nullable"):
        return
    if not _type(value, schema, path, causes):
        return
    enum = schema.get("enum")
    if enum and value not in enum:
        causes.append(not_supported_json(path, value, enum))
    if isinstance(value, str):
        _string(value, schema, path, causes)
    elif isinstance(value, bool):
        pass
    elif isinstance(value, int | float):
        _number(value, schema, path, causes)
    elif isinstance(value, list):
        _list(value, schema, path, old, causes)
    elif isinstance(value, dict):
        _object(value, schema, path, old, causes)
    if "allOf" in schema or "anyOf" in schema or "oneOf" in schema or "not" in schema:
        _logic(value, schema, path, causes)


def json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def not_supported_json(path: str, value: Any, choices: Sequence[Any]) -> Cause:
    texts = [choice if isinstance(choice, str) else orjson.dumps(choice).decode() for choice in choices]
    return not_supported(path, value, texts)


def _type(value: Any, schema: Json, path: str, causes: list[Cause]) -> bool:
    wanted = ("integer", "string") if is_int_or_string(schema) else (schema.get("type") or "",)
    actual = json_type(value)
    if wanted == ("",) or actual in wanted:
        fitting = True
    elif actual == "integer":
        fitting = "number" in wanted
    elif actual == "number":
        fitting = "integer" in wanted and float(value).is_integer()
    else:
        fitting = False
    if not fitting:
        text = f'{path} in body must be of type {",".join(wanted)}: "{actual}"'
        causes.append(Cause(path or "<nil>", "FieldValueTypeInvalid", f'Invalid value: "{actual}": {text}'))
    return fitting


def _string(value: str, schema: Json, path: str, causes: list[Cause]) -> None:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        causes.append(too_long(path, longest))
    if shortest is not None and len(value) < shortest:
        causes.append(invalid(path, value, f"{path} in body should be at least {shortest} chars long"))
    pattern = schema.get("pattern")
    if pattern:
        try:
            if not found(pattern, value):
                causes.append(invalid(path, value, f"{path} in body should match '{pattern}'"))
        except InvalidPattern as error:
            causes.append(invalid(path, value, f"{path} in body should match '{pattern}', but pattern is invalid: {error}"))
    form = schema.get("format")
    if form and not fits(form, value):
        text = f'{path} in body must be of type {form}: "{value}"'
        causes.append(Cause(path, "FieldValueTypeInvalid", invalid(path, value, text).message))


def _number(value: float, schema: Json, path: str, causes: list[Cause]) -> None:
    maximum, minimum, step = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if maximum is not None:
        exclusive = schema.get("exclusiveMaximum")
        if value > maximum or (exclusive and value == maximum):
            than = "less than" if exclusive else "less than or equal to"
            causes.append(invalid(path, value, f"{path} in body should be {than} {_shown(maximum)}"))
    if minimum is not None:
        exclusive = schema.get("exclusiveMinimum")
        if value < minimum or (exclusive and value == minimum):
            than = "greater than" if exclusive else "greater than or equal to"
            causes.append(invalid(path, value, f"{path} in body should be {than} {_shown(minimum)}"))
    if step and not _is_multiple(value, step):
        causes.append(invalid(path, value, f"{path} in body should be a multiple of {_shown(step)}"))
    form, whole = schema.get("format"), isinstance(value, int)
    if form == "int32" and whole and not -(2**31) <= value < 2**31:
        causes.append(invalid(path, value, f"Checked value must be of type {schema.get('type')} with format int32"))


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    return float(value / step).is_integer()


def _shown(number: float) -> str:
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e15 else repr(number)


def _list(value: list[Any], schema: Json, path: str, old: Any, causes: list[Cause]) -> None:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        causes.append(too_many(path, len(value), most))
    if least is not None and len(value) < least:
        causes.append(invalid(path, len(value), f"{path} in body should have at least {least} items"))
    items = items_of(schema)
    if items is None:
        return
    correlated = by_keys(old, schema)
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    for index, item in enumerate(value):
        before = correlated.get(key_of(item, keys), NOTHING) if correlated else NOTHING
        causes.extend(validate_value(item, items, f"{path}[{index}]", before))
        if len(causes) > _ENOUGH:
            return


def by_keys(old: Any, schema: Json) -> dict[Any, Any]:
    """The elements of an old list of type map by their keys; empty for other lists."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return {}
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return {key_of(item, keys): item for item in old if isinstance(item, dict)}


def key_of(item: Any, keys: Sequence[str]) -> Any:
    """The values of an element's keys, as one hashable value."""
    if not isinstance(item, dict):
        return None
    return tuple(orjson.dumps(item.get(key)) for key in keys)


def _object(value: Json, schema: Json, path: str, old: Any, causes: list[Cause]) -> None:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        causes.append(too_many(path, len(value), most))
    if least is not None and len(value) < least:
        causes.append(invalid(path, len(value), f"{path} in body should have at least {least} properties"))
    causes.extend(required(_child(path, name)) for name in schema.get("required") or () if name not in value)
    properties, additional = properties_of(schema), additional_of(schema)
    before = old if isinstance(old, dict) else {}
    for key, item in value.items():
        field = properties.get(key, additional)
        if field is not None:
            causes.extend(validate_value(item, field, _child(path, key), before.get(key, NOTHING)))
            if len(causes) > _ENOUGH:
                return


def _child(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _logic(value: Any, schema: Json, path: str, causes: list[Cause]) -> None:
    """allOf, anyOf, oneOf and not. Their own errors belong to no field, as in Kubernetes."""
    shown = f'"{path}"'
    for part in schema.get("allOf") or ():
        failures = validate_value(value, part, path)
        if failures:
            causes.append(_composite(f"{shown} must validate all the schemas (allOf)"))
            causes.extend(failures)
    if schema.get("anyOf"):
        results = [validate_value(value, part, path) for part in schema["anyOf"]]
        if all(results):
            causes.append(_composite(f"{shown} must validate at least one schema (anyOf)"))
            causes.extend(_least(results))
    if schema.get("oneOf"):
        results = [validate_value(value, part, path) for part in schema["oneOf"]]
        valid = sum(not result for result in results)
        if valid == 0:
            causes.append(_composite(f"{shown} must validate one and only one schema (oneOf). Found none valid"))
            causes.extend(_least(results))
        elif valid > 1:
            causes.append(
                _composite(f"{shown} must validate one and only one schema (oneOf). Found {valid} valid alternatives")
            )
    if isinstance(schema.get("not"), dict) and not validate_value(value, schema["not"], path):
        causes.append(_composite(f"{shown} must not validate the schema (not)"))


def _least(results: list[list[Cause]]) -> list[Cause]:
    """The errors of the part that came nearest."""
    return sorted(results, key=len)[0]


def _composite(text: str) -> Cause:
    return Cause("<nil>", "FieldValueInvalid", f'Invalid value: "": {text}')
