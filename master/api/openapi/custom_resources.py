"""Definitions of custom resources for the OpenAPI documents: their schema, with metadata, and their list.

Version 2 knows less: what it cannot say is left out rather than said wrongly, as clients would refuse valid objects by it.
Source: k8s.io/apiextensions-apiserver pkg/controller/openapi.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import orjson

from master.api.kinds.kind import Kind

Json = dict[str, Any]

#: References as the packaged definitions write them; `Source` gives them the document's form.
_REF = "#/$defs/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_API_VERSION = {
    "type": "string",
    "description": "APIVersion defines the versioned schema of this representation of an object. Servers should convert "
    "recognized schemas to the latest internal value, and may reject unrecognized values. More info: "
    f"{_CONVENTIONS}#resources",
}
_KIND = {
    "type": "string",
    "description": "Kind is a string value representing the REST resource this object represents. Servers may infer this from "
    f"the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: {_CONVENTIONS}#types-kinds",
}
_METADATA = f"Standard object's metadata. More info: {_CONVENTIONS}#metadata"
_LIST_METADATA = f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds"
#: What version 2 cannot say.
_ONLY_V3 = ("nullable", "oneOf", "anyOf", "allOf", "not")


def list_definition(kind: Kind) -> str:
    """The name of the definition of a custom resource's list."""
    return f"{kind.definition.rpartition('.')[0]}.{kind.list_kind}"


def custom_definitions(kinds: Iterable[Kind], *, v3: bool) -> dict[str, bytes]:
    """The definitions of the kinds that bring their schema, by name, encoded: custom ones, and those that are made."""
    found: dict[str, bytes] = {}
    for kind in kinds:
        if kind.is_custom or kind.made:
            found[kind.definition] = orjson.dumps(_definition(kind, v3=v3))
            found[list_definition(kind)] = orjson.dumps(_list(kind, v3=v3))
    return found


def _definition(kind: Kind, *, v3: bool) -> Json:
    schema: Json = deepcopy(dict(kind.schema)) if kind.schema else {}
    if not v3:
        schema = {"type": "object"} if schema.get("x-kubernetes-preserve-unknown-fields") else _as_v2(schema)
    if schema.get("properties") or v3 or kind.schema:
        _embed(schema, v3=v3)
        schema["properties"] = {
            **(schema.get("properties") or {}),
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": _reference("ObjectMeta", _METADATA, v3=v3),
        }
    schema["type"] = "object"
    schema["x-kubernetes-group-version-kind"] = [{"group": kind.group, "kind": kind.kind, "version": kind.version}]
    if v3 and kind.field_selectors:
        schema["x-kubernetes-selectable-fields"] = [{"fieldPath": name} for name in kind.field_selectors]
    return schema


def _list(kind: Kind, *, v3: bool) -> Json:
    return {
        "description": f"{kind.list_kind} is a list of {kind.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "items": {
                "description": f"List of {kind.plural}. More info: {_CONVENTIONS}",
                "type": "array",
                "items": {"$ref": _REF + kind.definition},
            },
            "metadata": _reference("ListMeta", _LIST_METADATA, v3=v3),
        },
        "x-kubernetes-group-version-kind": [{"group": kind.group, "kind": kind.list_kind, "version": kind.version}],
    }


def _reference(name: str, description: str, *, v3: bool) -> Json:
    reference = {"$ref": f"{_REF}{_META}{name}"}
    return {"description": description, "allOf": [reference]} if v3 else {"description": description, **reference}


def _embed(schema: Json, *, v3: bool) -> None:
    """Objects inside of objects have a type and metadata, too."""
    for child in _children(schema):
        _embed(child, v3=v3)
        if child.get("x-kubernetes-embedded-resource"):
            fields = {"apiVersion": _API_VERSION, "kind": _KIND, "metadata": _reference("ObjectMeta", _METADATA, v3=v3)}
            child["properties"] = {**(child.get("properties") or {}), **fields}
            child["required"] = sorted({*(child.get("required") or ()), "apiVersion", "kind"})


def _children(schema: Json) -> list[Json]:
    found = list((schema.get("properties") or {}).values())
    found += [schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
    return found


def _as_v2(schema: Json) -> Json:
    result = {key: value for key, value in schema.items() if key not in _ONLY_V3 and key != "default"}
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
    if schema.get("nullable"):
        # Null would be refused where a type is named.
        for name in ("type", "items", "properties", "additionalProperties"):
            result.pop(name, None)
        return result
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        for name in ("items", "properties", "type"):
            result.pop(name, None)
        return result
    if isinstance(result.get("properties"), dict):
        result["properties"] = {name: _as_v2(child) for name, child in result["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(result.get(name), dict):
            result[name] = _as_v2(result[name])
        elif name == "additionalProperties":
            result.pop(name, None)
    return result
