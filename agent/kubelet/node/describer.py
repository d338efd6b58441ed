"""The node as the API shows it: labels, capacity, info, conditions, images. Used by the kubelet.

https://kubernetes.io/docs/reference/node/node-status/
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.kubelet.node.machine import Machine, disk, huge_pages, machine
from agent.kubelet.node.resources import NodeCapacity
from agent.kubelet.pod.container_status import timestamp
from agent.kubelet.pod.environment import NodeFacts
from agent.runtime.spec import EngineInfo, Image
from agent.settings.kubelet import KubeletSettings
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
        self.name = name
        self._addresses = tuple(addresses)
        self._labels = dict(labels)
        self._root = root
        self._settings = settings
        self._machine: Machine = machine()
        self._huge_pages = huge_pages()
        self._since: dict[str, tuple[str, datetime]] = {}
        #: The engine's own words, once it has answered.
        self.engine: EngineInfo | None = None
        self.images: list[Image] = []

    @property
    def boot_id(self) -> str:
        return self._machine.boot_id

    @property
    def image_root(self) -> Path | None:
        """Where the engine keeps images and writable layers; None until it has answered."""
        return Path(self.engine.root) if self.engine is not None and self.engine.root else None

    def facts(self) -> NodeFacts:
        runtimes = self.engine.runtimes if self.engine is not None else ()
        return NodeFacts(self.name, self._addresses, self._resources().allocatable(self._settings), runtimes)

    def object(self, conditions: Sequence[Condition]) -> Json:
        host = self._machine
        labels = {
            "beta.kubernetes.io/arch": host.architecture,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": host.architecture,
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels | self._labels},
            "status": self.status(conditions),
        }

    def status(self, conditions: Sequence[Condition]) -> Json:
        host, engine, resources = self._machine, self.engine, self._resources()
        addresses = [{"type": "InternalIP", "address": address} for address in self._addresses]
        return {
            "addresses": [*addresses, {"type": "Hostname", "address": self.name}],
            "capacity": resources.capacity(),
            "allocatable": resources.allocatable(self._settings),
            # Docker always adds the groups that the image gives the user.
            "features": {"supplementalGroupsPolicy": False},
            "runtimeHandlers": self._runtime_handlers(),
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

    def conditions(self, problem: str, pressures: Set[str]) -> list[Condition]:
        """problem: why pods cannot run now; empty when they can. pressures: the types of those that the node has."""
        found = [
            Condition(type_, "True", bad, bad_text) if type_ in pressures else Condition(type_, "False", good, good_text)
            for type_, bad, bad_text, good, good_text in _PRESSURES
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

    def _runtime_handlers(self) -> list[Json]:
        """The engine's OCI runtimes by name; "" is its default."""
        names = ("", *(self.engine.runtimes if self.engine is not None else ()))
        features = {"recursiveReadOnlyMounts": False, "userNamespaces": False}
        return [{"name": name, "features": dict(features)} for name in names]

    def _resources(self) -> NodeCapacity:
        host = self._machine
        return NodeCapacity(
            cpus=host.cpus,
            memory=host.memory,
            storage=disk(self._root).size,
            pods=self._settings.max_pods,
            huge_pages=self._huge_pages,
            extended={name: len(one.ids) or one.count for name, one in self._settings.extended_resources.items()},
        )
