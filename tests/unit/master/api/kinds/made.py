"""How the tests of kinds make and check objects: as the registry does on create and on update."""

from copy import deepcopy
from typing import Any

from master.api.kinds.kind import Kind
from master.api.schema.schemas import Schemas

Json = dict[str, Any]

_schemas: dict[str, Schemas] = {}


def created(kind: Kind, obj: Json) -> Json:
    """A new object, as it is before validation. Fails when the schema does not know a field."""
    obj = _normalized(kind, obj)
    metadata = obj.setdefault("metadata", {})
    metadata.setdefault("name", "x")
    if kind.namespaced:
        metadata["namespace"] = "default"
    kind.prepare_for_create(obj)
    kind.default(obj)
    kind.derive(obj)
    return obj


def updated(kind: Kind, old: Json, **fields: Any) -> Json:
    """`old` as a client would change it."""
    obj = _normalized(kind, {**deepcopy(old), **fields})
    kind.prepare_for_update(obj, old)
    kind.default(obj)
    return obj


def errors(kind: Kind, obj: Json, old: Json | None = None) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in kind.validate(obj, old)]


def _normalized(kind: Kind, obj: Json) -> Json:
    schemas = _schemas.get(kind.definition)
    if schemas is None:
        schemas = _schemas[kind.definition] = Schemas([kind.definition])
    normalized = schemas.normalize(kind.definition, deepcopy(obj))
    assert not normalized.unknown_fields
    return normalized.object
