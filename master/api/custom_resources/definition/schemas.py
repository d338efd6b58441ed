"""OpenAPI's part of a schema: what Kubernetes does not support, list and map types, and rules that compile."""

from dataclasses import dataclass, field, replace
from typing import Any

from master.api.custom_resources.definition.rules import too_expensive, validate_rules
from master.api.custom_resources.structural.schema import (
    META_FIELDS,
    Json,
    additional_of,
    is_embedded,
    items_of,
    properties_of,
)
from master.api.kinds.rules.field_errors import forbidden, invalid, keyed, not_supported, required
from master.client.errors import Cause

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = {
    "id": "id is not supported",
    "additionalItems": "additionalItems is not supported",
    "patternProperties": "patternProperties is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "$ref": "$ref is not supported",
}


#: What all rules of a schema may cost together, as estimated.
_TOTAL_COST = 100_000_000
_MOST_EXPENSIVE = 4


@dataclass(slots=True)
class Costs:
    """The estimated cost of each rule, by its path."""

    by_path: dict[str, int] = field(default_factory=dict)

    def causes(self, path: str) -> list[Cause]:
        total = sum(self.by_path.values())
        if total <= _TOTAL_COST:
            return []
        ranked = sorted(self.by_path.items(), key=lambda item: -item[1])
        why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        causes = [forbidden(where, why) for where, cost in ranked[:_MOST_EXPENSIVE] if cost >= _TOTAL_COST // 100]
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        return [*causes, forbidden(path, too_expensive(what, total, _TOTAL_COST))]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a schema is. `no_defaults`: why it may have none; `no_old`: the part around it whose items do not correlate;
    `repeated`: how often it may be in one object, None when lists and maps around it have no bounds.
    """

    path: str
    is_root: bool = False
    in_metadata: bool = False
    no_defaults: str | None = None
    no_old: str = ""
    in_logic: bool = False
    repeated: int | None = 1

    def below(self, parent: Json) -> int | None:
        """How often what is inside of this may be in one object."""
        most: int | None = 1
        if parent.get("type") == "array":
            most = parent.get("maxItems")
        elif parent.get("type") == "object" and parent.get("additionalProperties") is not None:
            most = parent.get("maxProperties")
        return None if self.repeated is None or most is None else self.repeated * max(most, 0)


def validate_openapi(schema: Json, path: str, *, compile_rules: bool) -> list[Cause]:
    """Every error of a schema. `compile_rules`: it is structural, so that rules have types."""
    causes: list[Cause] = []
    rules: list[Cause] = []
    costs = Costs()
    _visit(schema, Place(path, is_root=True), compile_rules, causes, rules, costs)
    return causes + rules + costs.causes(path)


def _visit(schema: Json, place: Place, compiles: bool, causes: list[Cause], rules: list[Cause], costs: Costs) -> None:
    before = len(causes)
    path = place.path
    _supported(schema, place, causes)
    additional = additional_of(schema)
    inside = replace(place, is_root=False, repeated=place.below(schema))
    if schema.get("additionalProperties") is not None:
        if properties_of(schema) and schema["additionalProperties"] is not True:
            causes.append(
                forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
            )
        if additional is not None:
            below = replace(inside, path=f"{path}.additionalProperties")
            if place.in_metadata:
                below = replace(below, no_defaults="inside additionalProperties applying to object metadata")
            _visit(additional, below, compiles, causes, rules, costs)
    for name, child in properties_of(schema).items():
        below = replace(inside, path=keyed(f"{path}.properties", name))
        if (place.is_root or is_embedded(schema)) and name in META_FIELDS:
            below = replace(below, in_metadata=True)
            if place.is_root:
                below = replace(below, no_defaults=f"in top-level {name}")
        _visit(child, below, compiles, causes, rules, costs)
    _nested_logic(schema, inside, causes, rules, costs)
    items = items_of(schema)
    if items is not None:
        below = replace(inside, path=f"{path}.items")
        if schema.get("x-kubernetes-list-type") != "map" and not place.no_old:
            below = replace(below, no_old=path)
        _visit(items, below, compiles, causes, rules, costs)
    _extensions(schema, path, causes)
    if schema.get("x-kubernetes-validations"):
        wrong, uncompiled = validate_rules(
            schema,
            f"{path}.x-kubernetes-validations",
            compiles=compiles and not place.in_logic and len(causes) == before,
            is_root=place.is_root,
            no_old=place.no_old,
            repeated=place.repeated,
            costs=costs.by_path,
        )
        causes.extend(wrong)
        rules.extend(uncompiled)


def _nested_logic(schema: Json, inside: Place, causes: list[Cause], rules: list[Cause], costs: Costs) -> None:
    nested = replace(inside, in_logic=True)
    if isinstance(schema.get("not"), dict):
        _visit(schema["not"], replace(nested, path=f"{inside.path}.not"), False, causes, rules, costs)
    for name in ("allOf", "oneOf", "anyOf"):
        for index, child in enumerate(schema.get(name) or ()):
            _visit(child, replace(nested, path=f"{inside.path}.{name}[{index}]"), False, causes, rules, costs)


def _supported(schema: Json, place: Place, causes: list[Cause]) -> None:
    path, kind = place.path, schema.get("type") or ""
    if kind == "null":
        causes.append(forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
    if kind and kind not in _TYPES:
        causes.append(not_supported(f"{path}.type", kind, _TYPES))
    if schema.get("default") is not None and place.no_defaults is not None:
        causes.append(forbidden(f"{path}.default", f"must not be set {place.no_defaults}"))
    causes.extend(forbidden(f"{path}.{name}", why) for name, why in _UNSUPPORTED.items() if schema.get(name))
    if isinstance(schema.get("items"), list):
        causes.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if place.in_metadata and is_embedded(schema):
        causes.append(forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta"))
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(forbidden(f"{path}.uniqueItems", why))


def _extensions(schema: Json, path: str, causes: list[Cause]) -> None:
    kind = schema.get("type") or ""
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        causes.append(invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined"))
    map_type, list_type = schema.get("x-kubernetes-map-type"), schema.get("x-kubernetes-list-type")
    if map_type is not None and kind != "object":
        causes.append(_wrong_type(path, kind, "must be object if x-kubernetes-map-type is specified"))
    if map_type not in (None, "atomic", "granular"):
        causes.append(not_supported(f"{path}.x-kubernetes-map-type", map_type, ("atomic", "granular")))
    if list_type is not None and kind != "array":
        causes.append(_wrong_type(path, kind, "must be array if x-kubernetes-list-type is specified"))
    elif list_type == "set":
        _set_items(items_of(schema) or {}, f"{path}.items", causes)
    if list_type not in (None, "atomic", "set", "map"):
        causes.append(not_supported(f"{path}.x-kubernetes-list-type", list_type, ("atomic", "set", "map")))
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if keys and list_type != "map":
        why, where = "must be map if x-kubernetes-list-map-keys is non-empty", f"{path}.x-kubernetes-list-type"
        causes.append(required(where, why) if list_type is None else invalid(where, list_type, why))
    if list_type == "map":
        _map_items(schema, keys, path, causes)
    if list_type in ("set", "map") and (items_of(schema) or {}).get("nullable"):
        causes.append(forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {list_type}"))


def _wrong_type(path: str, kind: str, why: str) -> Cause:
    return invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why)


def _set_items(items: Json, path: str, causes: list[Cause]) -> None:
    why = "must be atomic as item of a list with x-kubernetes-list-type=set"
    list_type, map_type = items.get("x-kubernetes-list-type"), items.get("x-kubernetes-map-type")
    if items.get("type") == "array" and list_type not in (None, "atomic"):
        causes.append(invalid(f"{path}.x-kubernetes-list-type", list_type, why))
    if items.get("type") == "object" and map_type != "atomic":
        causes.append(invalid(f"{path}.x-kubernetes-map-type", map_type, why))


def _map_items(schema: Json, keys: list[str], path: str, causes: list[Cause]) -> None:
    if not keys:
        why = "must not be empty if x-kubernetes-list-type is map"
        causes.append(required(f"{path}.x-kubernetes-list-map-keys", why))
    items = items_of(schema)
    if items is None:
        if not isinstance(schema.get("items"), list):
            causes.append(required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map"))
        return
    if items.get("type") != "object":
        why = "must be object if parent array's x-kubernetes-list-type is map"
        causes.append(invalid(f"{path}.items.type", items.get("type") or "", why))
        return
    seen: set[Any] = set()
    for key in keys:
        field = properties_of(items).get(key)
        where = keyed(f"{path}.items.properties", key)
        if field is None:
            causes.append(invalid(f"{path}.x-kubernetes-list-map-keys", keys, "entries must all be names of item properties"))
        elif field.get("type") in ("array", "object"):
            why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            causes.append(invalid(f"{where}.type", items["type"], why))
        if key in seen:
            causes.append(invalid(f"{path}.x-kubernetes-list-map-keys", keys, "must not contain duplicate entries"))
        seen.add(key)
        if field is None:
            continue
        if key not in (items.get("required") or ()) and field.get("default") is None:
            why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            causes.append(required(f"{where}.default", why))
        if field.get("nullable"):
            why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            causes.append(forbidden(f"{where}.nullable", why))
