"""OpenAPI version 3: one document per group and version. The index of them is the HTTP layer's."""

from collections.abc import Iterable
from typing import Any

import orjson

from master.api.kinds.kind import Kind
from master.api.openapi.operations import Operation, Path, paths, roots
from master.api.openapi.source import Source
from proto.version import KUBERNETES_VERSION

Json = dict[str, Any]

_REF_PREFIX = "#/components/schemas/"


def document_path(group: str, version: str) -> str:
    """Where a group's document is below /openapi/v3."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def openapi_v3(kinds: Iterable[Kind], group: str, version: str, source: Source | None = None) -> bytes:
    """The document of one group and version, as JSON. `source` saves reading the packaged file for each document."""
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    source = source or Source(roots(served))
    return orjson.dumps(
        {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": f"v{KUBERNETES_VERSION}"},
            "paths": {path.path: _path(path, source) for kind in served for path in paths(kind)},
            "components": {
                "schemas": {
                    name: source.definition(name, ref_prefix=_REF_PREFIX, nested_refs=True)
                    for name in source.names(roots(served))
                }
            },
        }
    )


def _path(path: Path, source: Source) -> Json:
    item: Json = {operation.method: _operation(operation, source) for operation in path.operations}
    if path.parameters:
        item["parameters"] = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": f"{name} of the object",
                "schema": {"type": "string", "uniqueItems": True},
            }
            for name in path.parameters
        ]
    return item


def _operation(operation: Operation, source: Source) -> Json:
    known = operation.response in source
    schema = {"$ref": _REF_PREFIX + operation.response} if known else {"type": "string"}
    result: Json = {
        "description": operation.description,
        "operationId": operation.id,
        "parameters": [
            {"name": p.name, "in": "query", "description": p.description, "schema": {"type": p.type, "uniqueItems": True}}
            for p in operation.parameters
        ],
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": schema}}},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {
            "group": operation.group,
            "kind": operation.kind,
            "version": operation.version,
        },
    }
    if operation.body:
        body = {"schema": {"$ref": _REF_PREFIX + operation.body}}
        result["requestBody"] = {"content": dict.fromkeys(operation.consumes, body), "required": True}
    return result
