"""The scale subresource: autoscaling/v1 Scale over an object's spec.replicas, status.replicas and selector."""

import copy
from collections.abc import Sequence
from typing import Any

from master.api.kinds.kind import Kind
from master.client.errors import Cause
from master.client.protocol import Json

DEFINITION = "io.k8s.api.autoscaling.v1.Scale"
_SPEC_REPLICAS = ("spec", "replicas")
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


class Scale:
    def definition(self, kind: Kind) -> str:
        return DEFINITION

    def view(self, kind: Kind, obj: Json) -> Json:
        wanted, actual, selector = _replicas(kind, obj)
        shown: Json = {"replicas": actual}
        if selector:
            shown["selector"] = selector
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {name: obj["metadata"][name] for name in _METADATA if name in obj["metadata"]},
            "spec": {"replicas": wanted},
            "status": shown,
        }

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        obj = copy.deepcopy(old)
        parent, path = obj, kind.scale.spec_replicas if kind.scale else _SPEC_REPLICAS
        for step in path[:-1]:
            below = parent.get(step)
            if not isinstance(below, dict):
                below = parent[step] = {}
            parent = below
        parent[path[-1]] = (body.get("spec") or {}).get("replicas", 0)
        kind.prepare_for_update(obj, old)
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        return kind.validate(obj, old)


def _replicas(kind: Kind, obj: Json) -> tuple[int, int, str]:
    """The replicas that are wanted and that there are, and the selector's text."""
    if kind.scale is None:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        wanted_labels = spec.get("selector") or {}
        # A ReplicationController's is a plain map of labels.
        text = _selector_text(wanted_labels if kind.group else {"matchLabels": wanted_labels})
        return spec.get("replicas", 0), status.get("replicas", 0), text
    wanted, actual = _at(obj, kind.scale.spec_replicas), _at(obj, kind.scale.status_replicas)
    selector = _at(obj, kind.scale.selector) if kind.scale.selector else ""
    return (
        wanted if isinstance(wanted, int) else 0,
        actual if isinstance(actual, int) else 0,
        selector if isinstance(selector, str) else "",
    )


def _at(obj: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        obj = obj.get(step) if isinstance(obj, dict) else None
    return obj


def _selector_text(selector: Json) -> str:
    """A LabelSelector in the form of a query (metav1.LabelSelectorAsSelector's String)."""
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or ()))
        text = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(operator, f"!{key}")
        parts.append((key, text))
    return ",".join(text for _, text in sorted(parts))
