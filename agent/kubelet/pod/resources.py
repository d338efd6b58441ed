"""A container's requests and limits as the kernel's settings. Pure.

https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from lightkube.models.core_v1 import Container, Pod, ResourceRequirements

from agent.kubelet.pods import is_sidecar, qos_class, spec_of
from agent.runtime.spec import Resources
from agent.settings.kubelet import KubeletSettings
from proto.k8s.quantity import milli, units

_MIN_SHARES = 2
_MAX_SHARES = 262_144
_PERIOD = 100_000
_MIN_QUOTA = 1_000


def resources(pod: Pod, container: Container, *, node_memory: int, pids: int = 0) -> Resources:
    """node_memory: the node's capacity in bytes, for the out-of-memory score."""
    wanted = container.resources or ResourceRequirements()
    requests, limits = wanted.requests or {}, wanted.limits or {}
    cpu_limit = milli(limits["cpu"]) if "cpu" in limits else 0
    cpu_request = milli(requests["cpu"]) if "cpu" in requests else cpu_limit
    memory_limit = units(limits["memory"]) if "memory" in limits else 0
    memory_request = units(requests["memory"]) if "memory" in requests else memory_limit
    return Resources(
        cpu_shares=max(_MIN_SHARES, min(_MAX_SHARES, cpu_request * 1024 // 1000)),
        cpu_quota=max(_MIN_QUOTA, cpu_limit * _PERIOD // 1000) if cpu_limit else 0,
        cpu_period=_PERIOD,
        memory=memory_limit,
        pids=pids,
        oom_score_adj=oom_score(pod, container, memory_request=memory_request, node_memory=node_memory),
    )


def pids_limit(settings: KubeletSettings, *, highest: int) -> int:
    """Processes that a container may have; 0: no limit. highest: the kernel's number of processes, 0 when not known.

    What is reserved for the system no container gets, however many it may have by its own limit.
    """
    reserved = units(settings.system_reserved.pid) + units(settings.kube_reserved.pid)
    left = max(1, highest - reserved) if reserved and highest else 0
    limits = [limit for limit in (settings.pod_pids_limit, left) if limit > 0]
    return min(limits, default=0)


def oom_score(pod: Pod, container: Container, *, memory_request: int, node_memory: int) -> int:
    """Whom the kernel ends first when the host runs out of memory; see kubelet's GetContainerOOMScoreAdjust."""
    if (spec_of(pod).priority or 0) >= 2_000_000_000:
        return -997
    match qos_class(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    if node_memory <= 0:
        return 999
    score = 1000 - 1000 * memory_request // node_memory
    if is_sidecar(container, pod):
        lowest = [
            units(((one.resources or ResourceRequirements()).requests or {}).get("memory", 0))
            for one in spec_of(pod).containers
        ]
        score = min(score, 1000 - 1000 * min(lowest, default=0) // node_memory)
    return max(3, min(999, score))
