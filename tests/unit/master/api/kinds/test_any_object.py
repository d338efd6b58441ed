"""Whatever a schema allows is defaulted, validated and printed without an exception: a client never sees a 500."""

from copy import deepcopy
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from master.api.kinds.kind import Kind
from master.api.kinds.registry import KINDS
from master.api.schema.definitions import Schema
from master.api.schema.schemas import Schemas

SCHEMAS = Schemas(kind.definition for kind in KINDS)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

_STRINGS = ("", "a", "Always", "None", "TCP", "a/b", "..", "-", "x" * 300, "10.0.0.1", "Exists", "In", "ä", "50%", "%", "0%")
_NUMBERS = (0, 1, -1, 80, 65536, 2**31 - 1)
_SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("0", "1", "-1", "1Gi", "500m"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": (0, 80, -1, "http", "50%", "%", ""),
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": ("2026-01-01T00:00:00.000000Z",),
}


def generated(schema: Schema, random: Random, depth: int) -> Any:
    """Some value that the schema allows; the deeper, the emptier."""
    if schema.definition in _SCALARS:
        return random.choice(_SCALARS[schema.definition])
    schema = SCHEMAS.resolved(schema)
    match schema.json_type:
        case "string":
            return "aGk=" if schema.format == "byte" else random.choice(_STRINGS)
        case "boolean":
            return random.choice((True, False))
        case "integer" | "number":
            return random.choice(_NUMBERS)
        case "array" if schema.items is not None:
            return [generated(schema.items, random, depth + 1) for _ in range(random.choice((0, 1, 2)))]
        case "object" if schema.additional is not None:
            return {random.choice(_STRINGS): generated(schema.additional, random, depth + 1)}
    # Schemas of custom resources contain schemas.
    share = 0.8 if depth < 6 else 0.3 if depth < 9 else 0.0
    return {name: generated(field, random, depth + 1) for name, field in schema.properties.items() if random.random() < share}


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: f"{kind.api_version}-{kind.plural}")
def test_no_object_raises(kind: Kind) -> None:
    random = Random(kind.plural)
    previous = None
    for _ in range(30):
        obj = SCHEMAS.normalize(kind.definition, generated(SCHEMAS.definition(kind.definition), random, 0)).object
        obj.setdefault("metadata", {})["namespace"] = "default"
        obj["metadata"]["name"] = random.choice(_STRINGS)
        updated = deepcopy(obj)
        kind.prepare_for_create(obj)
        kind.default(obj)
        kind.derive(obj)
        kind.validate(obj, None)
        for prepare, validate in (
            (kind.prepare_for_update, kind.validate),
            (kind.prepare_for_status_update, kind.validate_status),
        ):
            changed, old = deepcopy(updated), previous or obj
            before = deepcopy(old)
            prepare(changed, old)
            kind.default(changed)
            validate(changed, old)
            assert old == before
        assert len(kind.row(obj, NOW)) == len(kind.columns)
        assert all(isinstance(read(obj), str) for read in kind.field_selectors.values())
        previous = obj
