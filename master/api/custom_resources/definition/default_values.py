"""Defaults of a schema must be what the schema accepts: pruned, valid, and keeping the rules."""

import copy

from master.api.cel.cost import Budget
from master.api.custom_resources.rules.validator import Validator
from master.api.custom_resources.structural.pruning import prune_value
from master.api.custom_resources.structural.schema import META_FIELDS, Json, has_rules, is_embedded, items_of, properties_of
from master.api.custom_resources.structural.values import NOTHING, validate_value
from master.api.kinds.rules.field_errors import invalid, keyed
from master.client.errors import Cause


def validate_defaults(schema: Json, path: str) -> list[Cause]:
    """Every default that is wrong."""
    causes: list[Cause] = []
    _visit(schema, path, Budget(), causes, is_root=True, in_metadata=False)
    return causes


def _visit(schema: Json, path: str, budget: Budget, causes: list[Cause], *, is_root: bool, in_metadata: bool) -> None:
    in_metadata = in_metadata and not is_embedded(schema)
    if schema.get("default") is not None:
        causes.extend(_check(schema, f"{path}.default", budget, in_metadata=in_metadata))
    items = items_of(schema)
    if items is not None:
        _visit(items, f"{path}.items", budget, causes, is_root=False, in_metadata=in_metadata)
    for name, child in properties_of(schema).items():
        inside = in_metadata or ((is_root or is_embedded(schema)) and name in META_FIELDS)
        _visit(child, keyed(f"{path}.properties", name), budget, causes, is_root=False, in_metadata=inside)


def _check(schema: Json, path: str, budget: Budget, *, in_metadata: bool) -> list[Cause]:
    value = schema["default"]
    if not in_metadata:
        pruned = copy.deepcopy(value)
        prune_value(pruned, schema)
        if pruned != value:
            return [invalid(path, value, "must not have unknown fields")]
    causes = validate_value(value, schema, path)
    if not causes and has_rules(schema):
        validator = Validator.make(schema)
        if validator is not None:
            causes = validator.validate(value, value, path=path, budget=budget)
            causes = causes or validator.validate(value, NOTHING, path=path, budget=budget)
    return causes
