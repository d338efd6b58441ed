"""What every pod worker shares: made once by the kubelet, handed to each worker whole, never changed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.desired import DesiredState
from agent.kubelet.admission.chain import Admission
from agent.kubelet.admission.node import NodeAdmission
from agent.kubelet.images.manager import ImageManager
from agent.kubelet.images.pause_image import PauseImage
from agent.kubelet.metrics import KubeletMetrics
from agent.kubelet.network import PodNetwork
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.environment import NodeFacts
from agent.kubelet.recorder import Recorder
from agent.kubelet.resize.allocation import Allocations
from agent.probes.manager import ProbeManager
from agent.reporter import Reporter
from agent.runtime.protocol import ContainerRuntime
from agent.settings.kubelet import KubeletSettings


@dataclass(frozen=True, slots=True)
class PodServices:
    """node: asked at each use, since the node's addresses and capacity are known only once the runtime answers."""

    runtime: ContainerRuntime
    pleg: Pleg
    allocations: Allocations
    probes: ProbeManager
    images: ImageManager
    pause: PauseImage
    network: PodNetwork
    desired: DesiredState
    reporter: Reporter
    recorder: Recorder
    root: Path
    settings: KubeletSettings
    metrics: KubeletMetrics
    node: Callable[[], NodeFacts]
    admission: Admission
    node_admission: NodeAdmission
