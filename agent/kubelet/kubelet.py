"""The node's kubelet: runs the desired pods, reports what they do, describes the node, serves streams into pods.

Made and run by `agent.app`. Makes and wires the parts; the pods' workers are `agent.kubelet.pod_workers`. Stopping
it, however it is stopped, touches no container: the next one finds everything by labels and goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.desired import DesiredState
from agent.kubelet.admission.app_armor import app_armor_enabled
from agent.kubelet.admission.chain import Admission
from agent.kubelet.admission.node import NodeAdmission
from agent.kubelet.admission.predicates import NodeState
from agent.kubelet.container_gc import ContainerGC
from agent.kubelet.devices import DeviceManager
from agent.kubelet.eviction.manager import EvictionManager
from agent.kubelet.eviction.pod_uses import MeasuredPodUses
from agent.kubelet.eviction.signals import HostSignals
from agent.kubelet.images.gc import CollectionFailed, ImageGC
from agent.kubelet.images.manager import ImageManager
from agent.kubelet.images.pause_image import PauseImage
from agent.kubelet.images.pulled import PulledImages
from agent.kubelet.metered_runtime import metered
from agent.kubelet.metrics import KubeletMetrics
from agent.kubelet.network import PodNetwork
from agent.kubelet.node.describer import NodeDescriber
from agent.kubelet.node.events import NodeEvents
from agent.kubelet.node.reporter import NodeStatusReporter
from agent.kubelet.orphans import Orphans
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod_workers import PodWorkers
from agent.kubelet.recorder import Recorder
from agent.kubelet.resize.allocation import Allocations
from agent.kubelet.services import PodServices
from agent.kubelet.shutdown.logind import logind
from agent.kubelet.shutdown.manager import ShutdownManager
from agent.kubelet.shutdown.plan import periods as shutdown_periods
from agent.kubelet.static_pods.mirrors import Mirrors
from agent.kubelet.static_pods.source import StaticPods
from agent.kubelet.stats.summary import StatsSummary
from agent.kubelet.stats.targets import StatsTargets
from agent.kubelet.streams.pod_streams import PodStreams
from agent.probes.manager import ProbeManager
from agent.reporter import NodeReporter
from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import ContainerRuntime
from agent.settings.kubelet import KubeletSettings
from agent.stats.collector import Stats
from proto.messages import StreamOpen
from proto.stream import Stream

log = logging.getLogger(__name__)

Json = dict[str, Any]


class Kubelet:
    """node_addresses: the node's own, the main one first. root: a directory of its own, made when missing.

    orphans_may_go: whether the desired state is complete, by the master's own word; see agent.kubelet.orphans.
    labels: the node's own, beside the well-known ones.
    """

    def __init__(
        self,
        *,
        node_name: str,
        node_addresses: Sequence[str],
        runtime: ContainerRuntime,
        desired: DesiredState,
        reporter: NodeReporter,
        root: Path,
        network: PodNetwork,
        orphans_may_go: Callable[[], bool],
        labels: Mapping[str, str],
        settings: KubeletSettings,
    ) -> None:
        self.metrics = KubeletMetrics(node_name, lambda: [self._pleg.observation(uid) for uid in self._pleg.pods()])
        self._runtime = runtime = metered(runtime, self.metrics)
        self._desired = desired
        self._network = network
        self._orphans_may_go = orphans_may_go
        self._settings = settings
        self._root = root
        self._static = StaticPods(
            path=settings.static_pod_path,
            node=node_name,
            period=settings.file_check_frequency,
            reporter=reporter,
            on_change=self._static_pods_changed,
        )
        self._mirrors = Mirrors(
            node=node_name,
            desired=desired,
            reporter=reporter,
            statics=lambda: self._static.pods,
            ready=lambda: self._static.ready,
        )
        self._workers = PodWorkers(desired=desired, statics=lambda: self._static.pods)
        recorder = Recorder(self._mirrors)
        self._node = NodeDescriber(name=node_name, addresses=node_addresses, labels=labels, root=root, settings=settings)
        self._pleg = Pleg(
            runtime=runtime,
            on_change=self._workers.wake,
            relist_period=settings.relist_period,
            relisted=self.metrics.relist_duration.observe,
        )
        self._probes = ProbeManager(
            streams=runtime,
            ended=lambda container_id, kind, outcome: self.metrics.probe(self._pleg.state(container_id), kind, outcome),
        )
        pulled = PulledImages(root / "image_manager" / "pulled")
        self._images = ImageManager(runtime=runtime, recorder=recorder, pulled=pulled, settings=settings)
        self._image_gc = ImageGC(runtime=runtime, pulled=pulled, reporter=reporter, settings=settings)
        self._container_gc = ContainerGC(runtime=runtime, pleg=self._pleg, settings=settings)
        self._orphans = Orphans(runtime=runtime, pleg=self._pleg, root=root)
        targets = StatsTargets(
            pleg=self._pleg,
            root=root,
            pod_of=self._workers.pod,
            engine_root=lambda: self._node.engine.root if self._node.engine is not None else "",
        )
        #: What pods and the node use, read when somebody asks.
        self.stats = Stats(targets)
        #: What the agent's server tells of it.
        self.stats_summary = StatsSummary(node_name=node_name, stats=self.stats, node=self._node, root=root)
        self._node_events = NodeEvents(name=node_name, reporter=reporter)
        self._admission = Admission()
        self._eviction = EvictionManager(
            settings=settings,
            signals=HostSignals(root=root, image_root=lambda: self._node.image_root),
            uses=MeasuredPodUses(self.stats, targets, good_seconds=settings.housekeeping_interval),
            pods=self._workers.active,
            evict=self._workers.terminate,
            reclaim=(lambda: self._container_gc.collect(everything=True), self._delete_unused_images),
            reporter=reporter,
        )
        self._shutdown = ShutdownManager(
            periods=shutdown_periods(settings),
            connect=logind,
            pods=self._workers.pods,
            terminate=self._workers.terminate,
            reporter=reporter,
            changed=lambda: self._status.changed(),
        )
        self._status = NodeStatusReporter(
            node=self._node,
            events=self._node_events,
            runtime=runtime,
            images=self._images,
            desired=desired,
            reporter=reporter,
            problems=self._problems,
            pressures=lambda: self._eviction.conditions,
            period=settings.node_status_report_period,
        )
        self._node_admission = NodeAdmission(
            devices=DeviceManager(settings.extended_resources),
            node=self._node_state,
            pod_of=self._workers.pod,
        )
        self._admission.add(self._eviction)
        self._admission.add(self._shutdown)
        self._admission.add(self._node_admission)
        self._services = PodServices(
            runtime=runtime,
            pleg=self._pleg,
            node_admission=self._node_admission,
            allocations=Allocations(lambda: self._node.facts().allocatable),
            probes=self._probes,
            images=self._images,
            pause=PauseImage(runtime=runtime, reference=settings.sandbox_image, binary=Path(settings.sandbox_binary)),
            network=network,
            desired=desired,
            reporter=self._mirrors,
            recorder=recorder,
            root=root,
            settings=settings,
            metrics=self.metrics,
            node=self._node.facts,
            admission=self._admission,
        )
        self._streams = PodStreams(
            runtime=runtime,
            pleg=self._pleg,
            desired=desired,
            static_pod=self._mirrors.pod_of,
            status=self._workers.status,
            node_addresses=lambda: self._node.facts().ips,
            stats=self.stats,
        )

    async def run(self) -> None:
        await asyncio.to_thread(_close_root, self._root)
        await asyncio.to_thread(self._node_admission.resume, self._root / "pods")
        await asyncio.to_thread(self._node_events.started, self._node.boot_id, self._root / "boot-id")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probes.run(), name="probes")
            await asyncio.sleep(0)  # the probes' owner must be there before the first worker
            group.create_task(self._workers.run(self._services), name="pods")
            group.create_task(self._static.run(), name="static pods")
            group.create_task(self._mirrors.run(), name="mirror pods")
            group.create_task(self._pleg.run(), name="pleg")
            group.create_task(self._status.run(), name="node status")
            group.create_task(self._run_orphans(), name="orphans")
            group.create_task(self._image_gc.run(), name="image garbage collection")
            group.create_task(self._eviction.run(), name="eviction")
            group.create_task(self._shutdown.run(), name="node shutdown")
            group.create_task(self._container_gc.run(), name="container garbage collection")

    def server_listens(self, port: int) -> None:
        """Where the node's own server is: what nodes/proxy reaches."""
        self._streams.server_port = port

    def _node_state(self) -> NodeState:
        """What new pods are judged by."""
        facts, known = self._node.facts(), self._desired.nodes.get(self._node.name)
        return NodeState(
            name=facts.name,
            allocatable=facts.allocatable,
            labels=known.metadata.labels or {} if known is not None and known.metadata is not None else None,
            app_armor=app_armor_enabled(),
            allowed_unsafe_sysctls=self._settings.allowed_unsafe_sysctls,
            devices=self._node_admission.devices.names,
        )

    async def handle_stream(self, request: StreamOpen, stream: Stream) -> None:
        """Serve one stream (see proto.messages) to its end; always closes it."""
        await self._streams.handle(request, stream)

    def pod_list(self) -> Json:
        """The pods of this node with their present status, as kubelet's /pods."""
        return self._workers.pod_list()

    async def node_object(self) -> Json:
        """The Node as it knows itself, for the master's hello. Works without the engine."""
        return await self._status.object()

    def _static_pods_changed(self, uids: frozenset[str]) -> None:
        for uid in uids:
            self._workers.changed(uid)
        self._mirrors.wake()

    def _problems(self) -> list[str]:
        """Why pods cannot run now, as kubelet words it."""
        network = (
            "container runtime network not ready: NetworkReady=false "
            f"reason:NetworkPluginNotReady message:{self._network.problem}"
        )
        found = ("container runtime is down" if self._pleg.problem else "", network if self._network.problem else "")
        return [problem for problem in (*found, self._shutdown.problem) if problem]

    async def _run_orphans(self) -> None:
        await self._orphans.run(
            known=lambda: self._desired.pods.keys() | self._static.pods.keys() | self._workers.uids(),
            by_master=self._orphans_may_go,
            by_folder=lambda: self._static.complete,
        )

    async def _delete_unused_images(self) -> None:
        try:
            await self._image_gc.delete_unused()
        except (CollectionFailed, RuntimeFailure) as error:
            log.warning("unused images could not be removed", extra={"error": error})


def _close_root(root: Path) -> None:
    """Volumes hold Secrets, in whatever mode the pods ask for: the host's users may not get there (kubelet's 0750)."""
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o750)
