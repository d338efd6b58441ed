"""Reading a structural schema: what each part of JSON says, in one place."""

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]

#: Fields of every object, which a schema does not prune.
META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
#: How deep schemas may nest; objects of the API may not nest deeper than some 250 levels of JSON.
MAX_DEPTH = 100


def properties_of(schema: Json) -> dict[str, Json]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def items_of(schema: Json) -> Json | None:
    found = schema.get("items")
    return found if isinstance(found, dict) else None


def additional_of(schema: Json) -> Json | None:
    """The schema of a map's values; None when there is none or any value is fine."""
    found = schema.get("additionalProperties")
    return found if isinstance(found, dict) else None


def allows_additional(schema: Json) -> bool:
    """`additionalProperties: true`, or a schema."""
    return schema.get("additionalProperties") not in (None, False)


def preserves_unknown(schema: Json) -> bool:
    return schema.get("x-kubernetes-preserve-unknown-fields") is True


def is_embedded(schema: Json) -> bool:
    return schema.get("x-kubernetes-embedded-resource") is True


def is_int_or_string(schema: Json) -> bool:
    return schema.get("x-kubernetes-int-or-string") is True


def structural_children(schema: Json) -> Iterator[Json]:
    """The schemas of fields, items and values: the spine, without the logic (allOf, anyOf, oneOf, not)."""
    yield from properties_of(schema).values()
    for child in (items_of(schema), additional_of(schema)):
        if child is not None:
            yield child


def all_children(schema: Json) -> Iterator[Json]:
    """Every schema directly inside a schema."""
    yield from structural_children(schema)
    for name in ("allOf", "anyOf", "oneOf"):
        yield from schema.get(name) or ()
    if isinstance(schema.get("not"), dict):
        yield schema["not"]
    items = schema.get("items")
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))
    for name in ("definitions", "patternProperties", "dependencies"):
        found = schema.get(name)
        if isinstance(found, dict):
            yield from (child for child in found.values() if isinstance(child, dict))


def any_schema(schema: Json, holds: Callable[[Json], bool]) -> bool:
    """Whether it holds for the schema or one inside of it."""
    waiting = [schema]
    while waiting:
        current = waiting.pop()
        if holds(current):
            return True
        waiting.extend(all_children(current))
    return False


def depth(schema: Json) -> int:
    """How deep schemas nest; counting stops beyond the limit."""
    level, deep = [schema], 0
    while level and deep <= MAX_DEPTH:
        deep += 1
        level = [child for parent in level for child in all_children(parent)]
    return deep


def has_defaults(schema: Json) -> bool:
    return any_schema(schema, lambda one: one.get("default") is not None)


def has_rules(schema: Json) -> bool:
    return any_schema(schema, lambda one: bool(one.get("x-kubernetes-validations")))
