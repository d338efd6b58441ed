"""A core/v1 Event as the kubelet writes it, without a name: the master names, counts and stores it.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from datetime import datetime
from typing import Any

from lightkube.models.core_v1 import Pod

from proto.k8s.time import format_time

Json = dict[str, Any]

#: Kubernetes' limit for an event's message.
MAX_MESSAGE = 1024


def make_event(pod: Pod | None, *, node: str, type_: str, reason: str, message: str, field_path: str, now: datetime) -> Json:
    """An event on a pod, or on the node when `pod` is None. `now` is aware, in UTC."""
    involved = _node_reference(node) if pod is None else _pod_reference(pod)
    if field_path:
        involved["fieldPath"] = field_path
    time = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": involved.get("namespace", "default")},
        "involvedObject": involved,
        "type": type_,
        "reason": reason,
        "message": message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "...",
        "source": {"component": "kubelet", "host": node},
        "reportingComponent": "kubelet",
        "reportingInstance": node,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


def _node_reference(node: str) -> Json:
    return {"kind": "Node", "name": node, "uid": node}


def _pod_reference(pod: Pod) -> Json:
    metadata = pod.metadata
    fields = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": metadata.namespace if metadata else None,
        "name": metadata.name if metadata else None,
        "uid": metadata.uid if metadata else None,
        "resourceVersion": metadata.resourceVersion if metadata else None,
    }
    return {name: value for name, value in fields.items() if value}
