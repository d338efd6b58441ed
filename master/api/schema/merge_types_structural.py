"""The merge type of a custom resource, from the structural OpenAPI v3 schema of its version.

Called by whoever serves custom resources. A part with x-kubernetes-preserve-unknown-fields, or without a schema at all, is
merged by what it looks like: maps key by key, lists as a whole.

Source: k8s.io/kube-openapi pkg/schemaconv; https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from collections.abc import Mapping
from typing import Any

from master.api.schema.merge_types import UNTYPED, ListType, MapType, MergeType, Scalar

Json = dict[str, Any]

_SCALAR_TYPES: Mapping[str, Scalar] = {"string": "string", "boolean": "boolean", "integer": "numeric", "number": "numeric"}


def structural_merge_type(schema: Json | None, *, metadata: MergeType, preserve_unknown_fields: bool = False) -> MergeType:
    """The type of a whole object. `metadata`: ObjectMeta's; `schema` None when the version has none."""
    fields = {"apiVersion": MergeType(scalar="string"), "kind": MergeType(scalar="string"), "metadata": metadata}
    if not schema:
        return MergeType(map=MapType(fields=fields, element=UNTYPED))
    compiled = _compile(schema, preserve=preserve_unknown_fields)
    if compiled.map is None:
        return MergeType(map=MapType(fields=fields, element=UNTYPED))
    root = compiled.map
    return MergeType(map=MapType(fields={**root.fields, **fields}, element=root.element, atomic=root.atomic))


def _compile(schema: Json, *, preserve: bool) -> MergeType:
    preserve = preserve or bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if schema.get("x-kubernetes-int-or-string"):
        return MergeType(scalar="untyped")
    match schema.get("type"):
        case "object":
            return MergeType(map=_map(schema, preserve=preserve))
        case "array":
            return MergeType(list=_list(schema, preserve=preserve))
        case "string" | "boolean" | "integer" | "number" as name:
            return MergeType(scalar=_SCALAR_TYPES[name])
        case _:
            return UNTYPED


def _map(schema: Json, *, preserve: bool) -> MapType:
    fields = {name: _compile(field, preserve=preserve) for name, field in (schema.get("properties") or {}).items()}
    if schema.get("x-kubernetes-embedded-resource"):
        for name in ("apiVersion", "kind"):
            fields.setdefault(name, MergeType(scalar="string"))
        fields.setdefault("metadata", UNTYPED)
    additional = schema.get("additionalProperties")
    element = None
    if isinstance(additional, dict):
        element = _compile(additional, preserve=preserve)
    elif additional or preserve or not fields:
        element = UNTYPED
    return MapType(fields=fields, element=element, atomic=schema.get("x-kubernetes-map-type") == "atomic")


def _list(schema: Json, *, preserve: bool) -> ListType:
    items: Json = schema.get("items") or {}
    kind = schema.get("x-kubernetes-list-type") or "atomic"
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    properties = items.get("properties") or {}
    defaults = {key: properties[key]["default"] for key in keys if "default" in properties.get(key, {})}
    return ListType(_compile(items, preserve=preserve), kind == "atomic", keys if kind == "map" else (), defaults)
