"""Makes a pod's sandbox. Called by the pod worker."""

from lightkube.models.core_v1 import Pod, PodSecurityContext

from agent.kubelet.images.pause_image import REAPING_COMMAND
from agent.kubelet.labels import identity, sandbox_labels, sandbox_name
from agent.kubelet.pod.files import system_hostname
from agent.kubelet.pod.security import se_linux
from agent.kubelet.pods import all_containers, spec_grace, spec_of
from agent.runtime.spec import PortMapping, SandboxSpec


def sandbox_spec(pod: Pod, *, attempt: int, image: str, network: str, cluster_domain: str, runtime: str) -> SandboxSpec:
    """Pure. network: the runtime's name of the pod network. runtime: the engine's name of an OCI runtime; "": its default.

    Raises NameTooLong.
    """
    spec, who = spec_of(pod), identity(pod)
    security = spec.securityContext or PodSecurityContext()
    host_network = bool(spec.hostNetwork)
    shared = bool(spec.shareProcessNamespace)
    return SandboxSpec(
        name=sandbox_name(who, attempt),
        image=image,
        labels=sandbox_labels(who, attempt=attempt, grace=spec_grace(pod)),
        hostname="" if host_network else system_hostname(pod, cluster_domain=cluster_domain),
        network=None if host_network else network,
        host_network=host_network,
        host_pid=bool(spec.hostPID),
        host_ipc=bool(spec.hostIPC),
        share_process_namespace=shared,
        ports=() if host_network else _ports(pod),
        sysctls={one.name: one.value for one in security.sysctls or ()},
        runtime=runtime,
        se_linux=se_linux(security.seLinuxOptions),
        command=REAPING_COMMAND if shared else (),
    )


def sandbox_problem(pod: Pod) -> str:
    """Why no sandbox can be made for the pod here, in kubelet's words; "" when one can.

    Docker maps users for the engine as a whole only, not for a pod.
    """
    if spec_of(pod).hostUsers is False:
        return "can't set `spec.hostUsers: false`, runtime does not support user namespaces"
    return ""


def _ports(pod: Pod) -> tuple[PortMapping, ...]:
    return tuple(
        PortMapping(port.containerPort, port.hostPort, (port.protocol or "TCP").lower(), port.hostIP or "")
        for container in all_containers(pod)
        for port in container.ports or ()
        if port.hostPort
    )
