"""Cells that several kinds print: label selectors, containers and images, ports."""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]
NONE = "<none>"
UNSET = "<unset>"
_ACCESS_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def labels_cell(labels: Any) -> str:
    """A map of labels as `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def selector_cell(selector: Any) -> str:
    """A metav1.LabelSelector as labels.Selector's String."""
    if not selector:
        return NONE
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression.get("key", ""), expression.get("operator", "")
        values = ",".join(sorted(expression.get("values") or ()))
        match operator:
            case "In":
                text = f"{key} in ({values})"
            case "NotIn":
                text = f"{key} notin ({values})"
            case "Exists":
                text = key
            case _:
                text = f"!{key}"
        parts.append((key, text))
    return ",".join(text for _, text in sorted(parts)) or NONE


def container_cells(template: Json) -> tuple[str, str]:
    """The names and the images of a pod template's containers."""
    containers = (template.get("spec") or {}).get("containers") or ()
    return ",".join(c.get("name", "") for c in containers), ",".join(c.get("image", "") for c in containers)


def access_modes_cell(modes: Any) -> str:
    """Access modes in their short form and Kubernetes' order."""
    return ",".join(short for mode, short in _ACCESS_MODES.items() if mode in (modes or ()))


def shortened(items: Iterable[str], limit: int = 3) -> str:
    """The first items, and how many more there are."""
    listed = list(items)
    if len(listed) > limit:
        return f"{','.join(listed[:limit])} + {len(listed) - limit} more..."
    return ",".join(listed) or NONE
