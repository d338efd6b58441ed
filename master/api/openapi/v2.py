"""OpenAPI version 2: one document of all kinds."""

from collections.abc import Iterable, Mapping
from typing import Any

from master.api.kinds.kind import Kind
from master.api.openapi.operations import Operation, Path, paths, roots
from master.api.openapi.source import Source
from proto.version import KUBERNETES_VERSION

Json = dict[str, Any]

_REF_PREFIX = "#/definitions/"
_PRODUCES = ["application/json"]


def openapi_v2(kinds: Iterable[Kind], custom: Mapping[str, bytes] | None = None) -> Json:
    """The document. `custom`: the definitions of those kinds that bring their own."""
    kinds = list(kinds)
    source = Source(roots(kinds), custom)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": f"v{KUBERNETES_VERSION}"},
        "paths": {path.path: _path(path, source) for kind in kinds for path in paths(kind)},
        "definitions": {
            name: source.definition(name, ref_prefix=_REF_PREFIX, nested_refs=False) for name in source.names(roots(kinds))
        },
    }


def _path(path: Path, source: Source) -> Json:
    item: Json = {operation.method: _operation(operation, source) for operation in path.operations}
    if path.parameters:
        item["parameters"] = [
            {
                "name": name,
                "in": "path",
                "type": "string",
                "required": True,
                "description": f"{name} of the object",
                "uniqueItems": True,
            }
            for name in path.parameters
        ]
    return item


def _operation(operation: Operation, source: Source) -> Json:
    parameters: list[Json] = []
    if operation.body:
        parameters.append({"name": "body", "in": "body", "required": True, "schema": {"$ref": _REF_PREFIX + operation.body}})
    parameters.extend(
        {"name": p.name, "in": "query", "type": p.type, "description": p.description, "uniqueItems": True}
        for p in operation.parameters
    )
    known = operation.response in source
    schema = {"$ref": _REF_PREFIX + operation.response} if known else {"type": "string"}
    return {
        "description": operation.description,
        "operationId": operation.id,
        "consumes": list(operation.consumes),
        "produces": _PRODUCES,
        "schemes": ["https"],
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "schema": schema}, "401": {"description": "Unauthorized"}},
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {
            "group": operation.group,
            "kind": operation.kind,
            "version": operation.version,
        },
    }
