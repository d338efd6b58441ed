"""The kubelet's slice of the agent's settings, in Kubernetes' words and with its defaults."""

from proto.daemon.settings import Settings


class KubeletSettings(Settings, frozen=True):
    """Times in seconds, sizes in bytes."""

    #: Built on this host from `sandbox_binary` when it is not there; a registry is never asked for it.
    sandbox_image: str = "wherry/pause:1"
    #: A static busybox.
    sandbox_binary: str = "/bin/busybox"
    max_pods: int = 110
    #: Docker's events tell changes at once; the relist finds what they missed.
    relist_period: float = 30.0
    container_log_max_size: int = 10 * 1024 * 1024
    container_log_max_files: int = 5
    node_status_report_period: float = 300.0
    #: Kept back from the node's capacity.
    reserved_cpu: str = "0"
    reserved_memory: str = "0"
    #: Below these the node reports MemoryPressure and DiskPressure.
    eviction_memory_available: int = 100 * 1024 * 1024
    eviction_disk_available_percent: float = 10.0
    #: Where kubelet asks for upstream name servers for pods with dnsPolicy Default.
    resolver_config: str = "/etc/resolv.conf"
    #: Processes that each container may have; 0: no limit.
    pod_pids_limit: int = 0
