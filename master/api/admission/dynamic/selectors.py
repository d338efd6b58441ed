"""Label selectors (metav1.LabelSelector), compiled once and asked often. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

Labels = Mapping[str, str]
Selector = Callable[[Labels], bool]


def compile_selector(selector: Mapping[str, Any] | None) -> Selector | None:
    """A valid selector; None when it selects everything."""
    if not selector:
        return None
    wanted: Labels = selector.get("matchLabels") or {}
    expressions = [_compiled(expression) for expression in selector.get("matchExpressions") or ()]
    if not wanted and not expressions:
        return None

    def selects(labels: Labels) -> bool:
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            expression(labels) for expression in expressions
        )

    return selects


def _compiled(expression: Mapping[str, Any]) -> Selector:
    key, values = expression["key"], frozenset(expression.get("values") or ())
    match expression["operator"]:
        case "In":
            return lambda labels: labels.get(key) in values
        case "NotIn":
            return lambda labels: labels.get(key) not in values
        case "Exists":
            return lambda labels: key in labels
    return lambda labels: key not in labels


def labels_of(obj: Mapping[str, Any] | None) -> Labels:
    """An object's labels; of no object, none."""
    metadata = (obj or {}).get("metadata") or {}
    return metadata.get("labels") or {}
