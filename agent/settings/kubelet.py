"""The kubelet's slice of the agent's settings, in Kubernetes' words and with its defaults."""

from typing import Annotated

import msgspec

from proto.daemon.settings import Settings
from proto.k8s import quantity


class ReservedSettings(Settings, frozen=True):
    """Kept back from the node's capacity for the system, as Kubernetes quantities ("100m", "256Mi")."""

    cpu: str = "0"
    memory: str = "0"

    def __post_init__(self) -> None:
        for value in (self.cpu, self.memory):
            quantity.parse(value)  # InvalidQuantity is a ValueError


class KubeletSettings(Settings, frozen=True):
    """Times in seconds, sizes in bytes."""

    #: Built on this host from `sandbox_binary` when it is not there; a registry is never asked for it.
    sandbox_image: str = "wherry/pause:1"
    #: A static busybox.
    sandbox_binary: str = "/bin/busybox"
    max_pods: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 110
    #: Docker's events tell changes at once; the relist finds what they missed.
    relist_period: float = 30.0
    container_log_max_size: int = 10 * 1024 * 1024
    container_log_max_files: int = 5
    node_status_report_period: float = 300.0
    #: Kept back from the node's capacity.
    system_reserved: ReservedSettings = ReservedSettings()
    #: Below these the node reports MemoryPressure and DiskPressure.
    eviction_memory_available: int = 100 * 1024 * 1024
    eviction_disk_available_percent: float = 10.0
    #: Where kubelet asks for upstream name servers for pods with dnsPolicy Default.
    resolver_config: str = "/etc/resolv.conf"
    #: Processes that each container may have; 0: no limit.
    pod_pids_limit: int = 0
