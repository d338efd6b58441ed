"""The node as the API shows it: labels, capacity, info, conditions, images. Used by the kubelet.

https://kubernetes.io/docs/reference/node/node-status/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.kubelet.container_status import timestamp
from agent.kubelet.environment import NodeFacts
from agent.kubelet.machine import Machine, disk, machine, meminfo
from agent.runtime.spec import EngineInfo, Image
from agent.settings.kubelet import KubeletSettings
from proto.k8s.quantity import milli, units
from proto.version import KUBERNETES_VERSION, VERSION

Json = dict[str, Any]

_MAX_IMAGES = 50
_PRESSURES = (
    ("MemoryPressure", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available",
     "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasDiskPressure", "kubelet has disk pressure",
     "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasInsufficientPID", "kubelet has insufficient PID available",
     "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    reason: str
    message: str


class NodeDescriber:
    """addresses: the node's own, the main one first."""

    def __init__(
        self, *, name: str, addresses: Sequence[str], labels: Mapping[str, str], root: Path, settings: KubeletSettings
    ) -> None:
        self._name = name
        self._addresses = tuple(addresses)
        self._labels = dict(labels)
        self._root = root
        self._settings = settings
        self._machine: Machine = machine()
        self._since: dict[str, tuple[str, datetime]] = {}
        #: The engine's own words, once it has answered.
        self.engine: EngineInfo | None = None
        self.images: list[Image] = []

    def facts(self) -> NodeFacts:
        return NodeFacts(self._name, self._addresses, self._allocatable())

    def object(self, conditions: Sequence[Condition]) -> Json:
        host = self._machine
        labels = {
            "beta.kubernetes.io/arch": host.architecture,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": host.architecture,
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": "linux",
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self._name, "labels": labels | self._labels},
            "status": self.status(conditions),
        }

    def status(self, conditions: Sequence[Condition]) -> Json:
        host, engine = self._machine, self.engine
        addresses = [{"type": "InternalIP", "address": address} for address in self._addresses]
        return {
            "addresses": [*addresses, {"type": "Hostname", "address": self._name}],
            "capacity": self._capacity(),
            "allocatable": self._allocatable(),
            "conditions": [self._timed(condition) for condition in conditions],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "images": [
                {"names": [*image.digests, *image.tags], "sizeBytes": image.size}
                for image in sorted(self.images, key=lambda one: one.size, reverse=True)[:_MAX_IMAGES]
                if image.digests or image.tags
            ],
            "nodeInfo": {
                "architecture": host.architecture,
                "bootID": host.boot_id,
                "containerRuntimeVersion": f"{engine.name}://{engine.version}" if engine is not None else "docker://",
                "kernelVersion": host.kernel,
                "kubeProxyVersion": f"v{KUBERNETES_VERSION}",
                "kubeletVersion": f"v{KUBERNETES_VERSION}-wherry.{VERSION}",
                "machineID": host.machine_id,
                "operatingSystem": "linux",
                "osImage": host.os_image,
                "systemUUID": host.system_uuid,
            },
        }

    def conditions(self, problem: str) -> list[Condition]:
        """problem: why pods cannot run now; empty when they can. Blocking but instant."""
        pressures = (self._memory_pressure(), self._disk_pressure(), self._pid_pressure())
        found = [
            Condition(type_, "True", bad, bad_text) if pressed else Condition(type_, "False", good, good_text)
            for (type_, bad, bad_text, good, good_text), pressed in zip(_PRESSURES, pressures, strict=True)
        ]
        if problem:
            return [*found, Condition("Ready", "False", "KubeletNotReady", problem)]
        return [*found, Condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")]

    def _timed(self, condition: Condition) -> Json:
        now = datetime.now(UTC)
        before = self._since.get(condition.type)
        if before is None or before[0] != condition.status:
            self._since[condition.type] = before = (condition.status, now)
        return {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "lastHeartbeatTime": timestamp(now),
            "lastTransitionTime": timestamp(before[1]),
        }

    def _capacity(self) -> dict[str, str]:
        return {
            "cpu": str(self._machine.cpus),
            "ephemeral-storage": f"{disk(self._storage()).size // 1024}Ki",
            "memory": f"{self._machine.memory // 1024}Ki",
            "pods": str(self._settings.max_pods),
        }

    def _allocatable(self) -> dict[str, str]:
        millis = self._machine.cpus * 1000 - milli(self._settings.system_reserved.cpu)
        memory = self._machine.memory - units(self._settings.system_reserved.memory)
        # As kubelet's default: what hard eviction keeps back is not for pods.
        storage = int(disk(self._storage()).size * (1 - self._settings.eviction_disk_available_percent / 100))
        return {
            "cpu": str(millis // 1000) if millis % 1000 == 0 else f"{millis}m",
            "ephemeral-storage": str(storage),
            "memory": f"{(memory - self._settings.eviction_memory_available) // 1024}Ki",
            "pods": str(self._settings.max_pods),
        }

    def _storage(self) -> Path:
        return Path(self.engine.root) if self.engine is not None and self.engine.root else self._root

    def _memory_pressure(self) -> bool:
        available = meminfo().get("MemAvailable")
        return available is not None and available < self._settings.eviction_memory_available

    def _disk_pressure(self) -> bool:
        space = disk(self._storage())
        return space.size > 0 and space.available * 100 < space.size * self._settings.eviction_disk_available_percent

    def _pid_pressure(self) -> bool:
        try:
            highest = int(Path("/proc/sys/kernel/pid_max").read_text())
            running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
        except (OSError, ValueError, IndexError):
            return False
        return running > highest * 0.95
