"""The scale subresource: autoscaling/v1 Scale over an object's spec.replicas, status.replicas and selector."""

import copy
from collections.abc import Sequence

from master.api.kinds.kind import Kind
from master.client.errors import Cause
from master.client.protocol import Json

DEFINITION = "io.k8s.api.autoscaling.v1.Scale"
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


class Scale:
    def definition(self, kind: Kind) -> str:
        return DEFINITION

    def view(self, kind: Kind, obj: Json) -> Json:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        shown: Json = {"replicas": status.get("replicas", 0)}
        wanted = spec.get("selector") or {}
        # A ReplicationController's is a plain map of labels.
        selector = _selector_text(wanted if kind.group else {"matchLabels": wanted})
        if selector:
            shown["selector"] = selector
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {name: obj["metadata"][name] for name in _METADATA if name in obj["metadata"]},
            "spec": {"replicas": spec.get("replicas", 0)},
            "status": shown,
        }

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        obj = copy.deepcopy(old)
        obj.setdefault("spec", {})["replicas"] = (body.get("spec") or {}).get("replicas", 0)
        kind.prepare_for_update(obj, old)
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        return kind.validate(obj, old)


def _selector_text(selector: Json) -> str:
    """A LabelSelector in the form of a query (metav1.LabelSelectorAsSelector's String)."""
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or ()))
        text = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(operator, f"!{key}")
        parts.append((key, text))
    return ",".join(text for _, text in sorted(parts))
