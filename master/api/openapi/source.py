"""Kubernetes' definitions as the documents show them: with descriptions, in OpenAPI's form of JSON Schema.

The packaged file is read when documents are made and not kept; each definition is decoded by itself, so that making the
documents of all kinds needs little memory.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import orjson

from master.api.schema.definitions import reachable, schema_file

Json = dict[str, Any]

_REF = re.compile(rb'"\$ref":\s*"#/\$defs/([^"]+)"')
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


class _File(msgspec.Struct):
    definitions: dict[str, msgspec.Raw] = msgspec.field(name="$defs")


class Source:
    """The encoded definitions of some roots and of all that they refer to."""

    def __init__(self, roots: Iterable[str], custom: Mapping[str, bytes] | None = None) -> None:
        """`custom`: definitions beside Kubernetes' own; their references are written as those."""
        everything: dict[str, Any] = {**msgspec.json.decode(schema_file(), type=_File).definitions, **(custom or {})}
        self._custom = frozenset(custom or ())
        names = reachable(everything, (root for root in roots if root in everything), _references)
        self._definitions = {name: bytes(everything[name]) for name in names}

    def __contains__(self, name: str) -> bool:
        return name in self._definitions

    def names(self, roots: Iterable[str]) -> list[str]:
        """The roots that there are and what they refer to, sorted."""
        return reachable(self._definitions, (root for root in roots if root in self._definitions), _references)

    def definition(self, name: str, *, ref_prefix: str, nested_refs: bool) -> Json:
        """A definition for a document whose references begin with `ref_prefix`.

        `nested_refs`: a reference with a description is wrapped in `allOf`, as version 3 wants it.
        """
        if name in self._custom:
            return dict(orjson.loads(self._definitions[name].replace(b'"#/$defs/', b'"' + ref_prefix.encode())))
        match name:
            case _ if name == _QUANTITY and nested_refs:
                return {"oneOf": [{"type": "string"}, {"type": "number"}]}
            case _ if name == _QUANTITY:
                return {"type": "string"}
            case _ if name == _INT_OR_STRING and nested_refs:
                return {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
            case _ if name == _INT_OR_STRING:
                return {"type": "string", "format": "int-or-string"}
        return _converted(orjson.loads(self._definitions[name]), ref_prefix, nested_refs)


def _references(definition: Any) -> Iterator[str]:
    return (match.decode() for match in _REF.findall(bytes(definition)))


def _converted(schema: Json, ref_prefix: str, nested_refs: bool) -> Json:
    result: Json = {}
    for key, value in schema.items():
        match key:
            case "$ref":
                reference = {"$ref": ref_prefix + value.removeprefix("#/$defs/")}
                if nested_refs and len(schema) > 1:
                    result["allOf"] = [reference]
                else:
                    result.update(reference)
            case "type":
                # The packaged schemas let everything be null; OpenAPI documents do not say so.
                result["type"] = value if isinstance(value, str) else next(name for name in value if name != "null")
            case "properties":
                result[key] = {name: _converted(field, ref_prefix, nested_refs) for name, field in value.items()}
            case "items" | "additionalProperties" if isinstance(value, dict):
                result[key] = _converted(value, ref_prefix, nested_refs)
            case "enum":
                # Only the packaged schemas pin apiVersion and kind.
                pass
            case _:
                result[key] = value
    return result
