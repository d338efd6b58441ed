"""Defaults of a HorizontalPodAutoscaler in its autoscaling/v2 form (pkg/apis/autoscaling/v2/defaults.go)."""

from copy import deepcopy
from typing import Any

Json = dict[str, Any]

#: What is scaled by when nothing is said: CPU, at 80% of what the pods request.
CPU_UTILIZATION = 80
#: Scaling up doubles, or adds four pods, in 15 s; scaling down waits (as long as the controller says) and may take all.
_SCALE_UP: Json = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN: Json = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


def default_autoscaler(spec: Json) -> None:
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [cpu_metric(CPU_UTILIZATION)]
    behavior = spec.get("behavior")
    if behavior is not None:
        for direction, rules in (("scaleUp", _SCALE_UP), ("scaleDown", _SCALE_DOWN)):
            behavior[direction] = {**deepcopy(rules), **(behavior.get(direction) or {})}


def cpu_metric(utilization: int) -> Json:
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
