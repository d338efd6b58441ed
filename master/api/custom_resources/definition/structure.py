"""Structural schemas: every field has one type, outside of logic; what logic restricts is declared outside of it.

Source: k8s.io/apiextensions-apiserver pkg/apiserver/schema/validation.go;
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from typing import Any, Literal

from master.api.cel.regular_expressions import InvalidPattern, compiled
from master.api.custom_resources.structural.schema import (
    Json,
    additional_of,
    is_embedded,
    is_int_or_string,
    items_of,
    preserves_unknown,
    properties_of,
)
from master.api.kinds.rules.field_errors import forbidden, invalid, keyed, required
from master.client.errors import Cause

Level = Literal["root", "item", "field"]

_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_EMPTY_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
#: What may not stand inside of logic, and how that is said.
_NOT_IN_LOGIC = {
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def validate_structure(schema: Json, path: str) -> list[Cause]:
    """Every way in which a schema is not structural."""
    causes: list[Cause] = []
    _invariants(schema, "root", path, causes)
    _completeness(schema, schema, path, path, causes)
    return sorted(causes, key=lambda cause: (cause.field, cause.message))


def _invariants(schema: Json, level: Level, path: str, causes: list[Cause]) -> None:
    kind = schema.get("type") or ""
    items, additional = items_of(schema), additional_of(schema)
    if kind == "array" and items is None:
        causes.append(required(f"{path}.items", "must be specified"))
    if items is not None:
        _invariants(items, "item", f"{path}.items", causes)
    for name, child in properties_of(schema).items():
        _invariants(child, "field", keyed(f"{path}.properties", name), causes)
    if schema.get("additionalProperties") is not None:
        if level == "root":
            causes.append(forbidden(f"{path}.additionalProperties", "must not be used at the root"))
        if additional is not None:
            _invariants(additional, "field", f"{path}.additionalProperties", causes)
    _extensions(schema, path, causes)
    _logic(schema, path, causes, is_spine=True)
    _type(schema, kind, level, path, causes)
    if level == "root" or is_embedded(schema):
        for name in ("kind", "apiVersion"):
            found = properties_of(schema).get(name)
            if found is not None and found.get("type") != "string":
                causes.append(invalid(keyed(f"{path}.properties", name) + ".type", found.get("type") or "", "must be string"))
    metadata = properties_of(schema).get("metadata")
    if metadata is not None:
        _metadata(
            metadata, level, keyed(f"{path}.properties", "metadata"), causes, checked=level == "root" or is_embedded(schema)
        )
    if is_embedded(schema) and not preserves_unknown(schema) and not properties_of(schema):
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        causes.append(required(f"{path}.properties", why))


def _type(schema: Json, kind: str, level: Level, path: str, causes: list[Cause]) -> None:
    if is_embedded(schema) and kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        causes.append(invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why))
    elif not kind and not is_int_or_string(schema) and not preserves_unknown(schema):
        causes.append(required(f"{path}.type", _EMPTY_TYPE[level]))
    if is_embedded(schema) and schema.get("additionalProperties") is not None:
        causes.append(forbidden(f"{path}.additionalProperties", "must not be used if x-kubernetes-embedded-resource is set"))
    if level == "root" and kind and kind != "object":
        causes.append(invalid(f"{path}.type", kind, "must be object at the root"))


def _metadata(schema: Json, level: Level, path: str, causes: list[Cause], *, checked: bool) -> None:
    if checked and schema.get("type") != "object":
        causes.append(invalid(f"{path}.type", schema.get("type") or "", "must be object"))
    if level != "root":
        return
    rest = {key: value for key, value in schema.items() if key not in ("type", "default", "description", "title") and value}
    named = set(rest.pop("properties", {}))
    if rest or not named <= {"name", "generateName"} or schema.get("description") or schema.get("title"):
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        causes.append(forbidden(path, why))


def _extensions(schema: Json, path: str, causes: list[Cause]) -> None:
    if not is_int_or_string(schema):
        return
    why = "must be false if x-kubernetes-int-or-string is true"
    if preserves_unknown(schema):
        causes.append(invalid(f"{path}.x-kubernetes-preserve-unknown-fields", True, why))
    if is_embedded(schema):
        causes.append(invalid(f"{path}.x-kubernetes-embedded-resource", True, why))


def _logic(schema: Json, path: str, causes: list[Cause], *, is_spine: bool, skip_any_of: bool = False) -> None:
    """allOf, anyOf, oneOf, not and pattern. int-or-string may be spelled out as anyOf, or as the first allOf's."""
    skip_any_of = skip_any_of or (is_spine and schema.get("anyOf") == _INT_OR_STRING)
    if not skip_any_of:
        for index, child in enumerate(schema.get("anyOf") or ()):
            _inside(child, f"{path}.anyOf[{index}]", causes)
    for index, child in enumerate(schema.get("allOf") or ()):
        skip = is_spine and index == 0 and isinstance(child, dict) and child.get("anyOf") == _INT_OR_STRING
        _inside(child, f"{path}.allOf[{index}]", causes, skip_any_of=skip)
    for index, child in enumerate(schema.get("oneOf") or ()):
        _inside(child, f"{path}.oneOf[{index}]", causes)
    if isinstance(schema.get("not"), dict):
        _inside(schema["not"], f"{path}.not", causes)
    pattern = schema.get("pattern")
    if pattern:
        try:
            compiled(pattern)
        except InvalidPattern as error:
            causes.append(invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {error}"))


def _inside(schema: Json, path: str, causes: list[Cause], *, skip_any_of: bool = False) -> None:
    """A schema inside of logic restricts values and declares nothing."""
    _logic(schema, path, causes, is_spine=False, skip_any_of=skip_any_of)
    items = items_of(schema)
    if items is not None:
        _inside(items, f"{path}.items", causes)
    for name, child in properties_of(schema).items():
        _inside(child, keyed(f"{path}.properties", name), causes)
    if schema.get("type"):
        causes.append(forbidden(f"{path}.type", "must be empty to be structural"))
    causes.extend(forbidden(f"{path}.{name}", why) for name, why in _NOT_IN_LOGIC.items() if schema.get(name))
    if "metadata" in properties_of(schema):
        causes.append(forbidden(keyed(f"{path}.properties", "metadata"), "must not be specified in a nested context"))


def _completeness(logic: Json, spine: Json, spine_path: str, path: str, causes: list[Cause]) -> None:
    """What logic names must be declared in the schema around it."""
    for where, child in _logic_of(logic, path):
        _complete(child, spine, spine_path, where, causes)


def _complete(logic: Json, spine: Json | None, spine_path: str, path: str, causes: list[Cause]) -> None:
    if spine is None:
        causes.append(required(spine_path, f"because it is defined in {path}"))
        return
    _completeness(logic, spine, spine_path, path, causes)
    items = items_of(logic)
    if items is not None:
        _complete(items, items_of(spine), f"{spine_path}.items", f"{path}.items", causes)
    for name, child in properties_of(logic).items():
        where, inside = keyed(f"{spine_path}.properties", name), keyed(f"{path}.properties", name)
        _complete(child, properties_of(spine).get(name), where, inside, causes)


def _logic_of(schema: Json, path: str) -> list[tuple[str, Json]]:
    found: list[tuple[str, Any]] = [(f"{path}.not", schema.get("not"))]
    for name in ("allOf", "anyOf", "oneOf"):
        found += [(f"{path}.{name}[{index}]", child) for index, child in enumerate(schema.get(name) or ())]
    return [(where, child) for where, child in found if isinstance(child, dict)]
