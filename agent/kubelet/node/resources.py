"""The node's capacity and what of it is for pods. Pure; used by `agent.kubelet.node.describer`.

allocatable = capacity - kube_reserved - system_reserved - what hard eviction keeps back
https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/#node-allocatable
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.settings.kubelet import KubeletSettings
from proto.k8s.quantity import milli, units

#: The hard threshold that is kept back from a resource.
_KEPT_BACK = {"memory": "memory.available", "ephemeral-storage": "nodefs.available"}


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """cpus in whole cores, memory and storage (the file system of pods' volumes and files) in bytes.

    huge_pages: bytes that are reserved for them, by resource ("hugepages-2Mi"): no other memory for pods. extended: how many
    pieces of devices and the like the settings declare, by resource.
    """

    cpus: int
    memory: int
    storage: int
    pods: int
    huge_pages: Mapping[str, int]
    extended: Mapping[str, int] = field(default_factory=dict)

    def capacity(self) -> dict[str, str]:
        return {
            "cpu": str(self.cpus),
            "ephemeral-storage": f"{self.storage // 1024}Ki",
            **{name: _whole(size) for name, size in sorted(self.huge_pages.items())},
            "memory": f"{self.memory // 1024}Ki",
            "pods": str(self.pods),
            **{name: str(count) for name, count in self.extended.items()},
        }

    def allocatable(self, settings: KubeletSettings) -> dict[str, str]:
        reserved = (settings.system_reserved, settings.kube_reserved)
        kept = {one.signal: one.amount for one in settings.eviction_thresholds() if one.hard}

        def left(resource: str, capacity: int, *given: str) -> int:
            amount = kept.get(_KEPT_BACK[resource])
            return max(0, capacity - sum(units(one) for one in given) - (amount.of(capacity) if amount is not None else 0))

        millis = max(0, self.cpus * 1000 - sum(milli(one.cpu) for one in reserved))
        memory = left("memory", self.memory, *(one.memory for one in reserved)) - sum(self.huge_pages.values())
        storage = left("ephemeral-storage", self.storage, *(one.ephemeral_storage for one in reserved))
        return {
            "cpu": str(millis // 1000) if millis % 1000 == 0 else f"{millis}m",
            "ephemeral-storage": str(storage),
            **{name: _whole(size) for name, size in sorted(self.huge_pages.items())},
            "memory": f"{max(0, memory) // 1024}Ki",
            "pods": str(self.pods),
            **{name: str(count) for name, count in self.extended.items()},
        }


def _whole(size: int) -> str:
    return f"{size // 1024}Ki" if size else "0"
