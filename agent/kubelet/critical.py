"""Priorities of pods, and which pods a node cannot do without. Pure.

https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/
"""

from lightkube.models.core_v1 import Pod

from agent.kubelet.labels import identity
from agent.kubelet.pods import spec_of

#: Of the classes system-cluster-critical and above (Kubernetes' SystemCriticalPriority).
SYSTEM_CRITICAL = 2_000_000_000
#: Where a pod comes from, if not from the API.
SOURCE = "kubernetes.io/config.source"


def priority(pod: Pod) -> int:
    return spec_of(pod).priority or 0


def is_static_uid(uid: str) -> bool:
    """32 hexadecimal digits, as `agent.kubelet.static_pods` makes them: no uid of the API's looks so."""
    return len(uid) == 32 and all(one in "0123456789abcdef" for one in uid)


def is_static(pod: Pod) -> bool:
    """Made of a manifest on this host. The annotation alone proves nothing: anybody may write it."""
    if not is_static_uid(identity(pod).uid):
        return False
    annotations: dict[str, str] = (pod.metadata.annotations if pod.metadata is not None else None) or {}
    return annotations.get(SOURCE, "api") != "api"


def is_critical(pod: Pod) -> bool:
    """Never evicted for a shortage; admitted whatever is short."""
    return is_static(pod) or priority(pod) >= SYSTEM_CRITICAL
