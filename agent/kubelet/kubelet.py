"""The node's kubelet: runs the desired pods, reports what they do, describes the node, serves streams into pods.

Made and run by `agent.app`. Owns one supervised worker per pod (`agent.kubelet.pod.worker`), the PLEG, the probes. Stopping
it, however it is stopped, touches no container: the next one finds everything by labels and goes on.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod

from agent.desired import Change, DesiredState
from agent.kubelet.admission.app_armor import app_armor_enabled
from agent.kubelet.admission.chain import Admission
from agent.kubelet.admission.node import NodeAdmission
from agent.kubelet.admission.predicates import NodeState
from agent.kubelet.container_gc import ContainerGC
from agent.kubelet.critical import is_static, is_static_uid
from agent.kubelet.devices import DeviceManager
from agent.kubelet.eviction.manager import EvictionManager
from agent.kubelet.eviction.pod_uses import MeasuredPodUses
from agent.kubelet.eviction.signals import HostSignals
from agent.kubelet.images.gc import CollectionFailed, ImageGC
from agent.kubelet.images.manager import ImageManager
from agent.kubelet.images.pause_image import PauseImage
from agent.kubelet.images.pulled import PulledImages
from agent.kubelet.labels import identity
from agent.kubelet.metered_runtime import metered
from agent.kubelet.metrics import KubeletMetrics
from agent.kubelet.network import PodNetwork
from agent.kubelet.node.describer import Condition, NodeDescriber
from agent.kubelet.node.events import NodeEvents
from agent.kubelet.orphans import Orphans
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.termination import Termination
from agent.kubelet.pod.volumes import uses_claims
from agent.kubelet.pod.worker import PodWorker
from agent.kubelet.recorder import Recorder
from agent.kubelet.resize.allocation import Allocations
from agent.kubelet.services import PodServices
from agent.kubelet.shutdown.logind import logind
from agent.kubelet.shutdown.manager import ShutdownManager
from agent.kubelet.shutdown.plan import periods as shutdown_periods
from agent.kubelet.static_pods.mirrors import Mirrors, is_mirror
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

_CONDITION_PERIOD = 5.0
_ORPHAN_PERIOD = 5.0
#: Seconds beyond its grace after which a pod that is being ended is not waited for any more.
_TERMINATION_SLACK = 15.0


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
        self._reporter = reporter
        self._network = network
        self._orphans_may_go = orphans_may_go
        self._settings = settings
        self._root = root
        self._workers: dict[str, PodWorker] = {}
        self._group: asyncio.TaskGroup | None = None
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
        recorder = Recorder(self._mirrors)
        self._node = NodeDescriber(name=node_name, addresses=node_addresses, labels=labels, root=root, settings=settings)
        self._pleg = Pleg(
            runtime=runtime,
            on_change=self._containers_changed,
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
            pod_of=lambda uid: self._workers[uid].pod if uid in self._workers else None,
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
            pods=self._active_pods,
            evict=self._terminate_pod,
            reclaim=(lambda: self._container_gc.collect(everything=True), self._delete_unused_images),
            reporter=reporter,
        )
        self._shutdown = ShutdownManager(
            periods=shutdown_periods(settings),
            connect=logind,
            pods=lambda: [worker.pod for worker in self._workers.values()],
            terminate=self._terminate_pod,
            reporter=reporter,
            changed=lambda: self._report_now.set(),
        )
        self._report_now = asyncio.Event()
        self._name = node_name
        self._node_admission = NodeAdmission(
            devices=DeviceManager(settings.extended_resources),
            node=self._node_state,
            pod_of=lambda uid: self._workers[uid].pod if uid in self._workers else None,
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
            status=self._status_of,
            node_addresses=lambda: self._node.facts().ips,
            stats=self.stats,
        )

    async def run(self) -> None:
        await asyncio.to_thread(_close_root, self._root)
        await asyncio.to_thread(self._node_admission.resume, self._root / "pods")
        await asyncio.to_thread(self._node_events.started, self._node.boot_id, self._root / "boot-id")
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._probes.run(), name="probes")
            await asyncio.sleep(0)  # the probes' owner must be there before the first worker
            group.create_task(self._follow(), name="desired pods")
            group.create_task(self._static.run(), name="static pods")
            group.create_task(self._mirrors.run(), name="mirror pods")
            group.create_task(self._pleg.run(), name="pleg")
            group.create_task(self._report_node(), name="node status")
            group.create_task(self._end_orphans(), name="orphans")
            group.create_task(self._image_gc.run(), name="image garbage collection")
            group.create_task(self._follow_node(), name="own node")
            group.create_task(self._eviction.run(), name="eviction")
            group.create_task(self._shutdown.run(), name="node shutdown")
            group.create_task(self._container_gc.run(), name="container garbage collection")

    def server_listens(self, port: int) -> None:
        """Where the node's own server is: what nodes/proxy reaches."""
        self._streams.server_port = port

    def _node_state(self) -> NodeState:
        """What new pods are judged by."""
        facts, known = self._node.facts(), self._desired.nodes.get(self._name)
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
        items = []
        for worker in self._workers.values():
            pod: Json = msgspec.to_builtins(worker.pod)
            items.append(pod | {"status": worker.status or pod.get("status", {})})
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}

    async def node_object(self) -> Json:
        """The Node as it knows itself, for the master's hello. Works without the engine."""
        await self._ask_engine()
        return self._node.object(self._conditions())

    async def _follow(self) -> None:
        """Keep workers in step with the desired pods."""
        subscription = self._desired.subscribe("pods", "configmaps", "secrets", "persistentvolumeclaims", "persistentvolumes")
        for uid in list(self._desired.pods):
            self._pod_changed(uid)
        while True:
            for change in await subscription.changes():
                self._changed(change)

    def _changed(self, change: Change) -> None:
        if change.resource == "pods":
            self._pod_changed(change.name)
            return
        if change.resource == "persistentvolumes":
            for worker in self._workers.values():
                if uses_claims(worker.pod):
                    worker.objects_changed()
            return
        if not change.namespace:
            # A pod's own tokens are named by its uid (proto.pod_tokens).
            if (owner := self._workers.get(change.name)) is not None:
                owner.objects_changed()
            return
        for worker in self._workers.values():
            if identity(worker.pod).namespace == change.namespace:
                worker.objects_changed()

    def _pod_changed(self, uid: str) -> None:
        pod, worker = self._wanted(uid), self._workers.get(uid)
        if worker is not None:
            if pod is None:
                worker.remove()
            else:
                worker.update(pod)
        elif pod is not None and not self._name_taken(pod):
            # One that has been reported terminated already is so again at once: the master has not heard it.
            assert self._group is not None
            worker = self._workers[uid] = PodWorker(self._services, pod)
            self._group.create_task(self._supervise(worker), name=f"pod {identity(pod)}")

    def _wanted(self, uid: str) -> Pod | None:
        """What this node is to run under a uid: a static pod, or one of the API's that is no static pod's mirror."""
        pod = self._static.pods.get(uid) or self._desired.pods.get(uid)
        return None if pod is None or is_mirror(pod) else pod

    def _name_taken(self, pod: Pod) -> bool:
        """A changed static pod is another one of the same name: it begins when the one before has ended."""
        who = identity(pod)
        others = (identity(worker.pod) for worker in self._workers.values())
        return is_static(pod) and any((one.namespace, one.name) == (who.namespace, who.name) for one in others)

    def _static_pods_changed(self, uids: frozenset[str]) -> None:
        for uid in uids:
            self._pod_changed(uid)
        self._mirrors.wake()

    async def _supervise(self, worker: PodWorker) -> None:
        """A worker that fails is logged and run again; it cannot harm its neighbours."""
        delay = 1.0
        while True:
            try:
                await worker.run()
                break
            except Exception:
                log.exception("a pod worker failed", extra={"pod": identity(worker.pod), "retry_seconds": delay})
                await asyncio.sleep(delay)
                delay = min(delay * 2, 60.0)
        del self._workers[worker.uid]
        for uid in self._static.pods.keys() - self._workers.keys():
            self._pod_changed(uid)

    def _containers_changed(self, uid: str) -> None:
        """Called by the PLEG; without a uid everything may have changed."""
        if uid:
            worker = self._workers.get(uid)
            if worker is not None:
                worker.wake()
            return
        for worker in self._workers.values():
            worker.wake()

    def _status_of(self, uid: str) -> Json | None:
        worker = self._workers.get(uid)
        return worker.status if worker is not None else None

    async def _ask_engine(self) -> None:
        try:
            async with asyncio.timeout(5):
                self._node.engine = await self._runtime.info()
                self._node.images = await self._runtime.images()
                await self._images.learn()
        except (RuntimeFailure, TimeoutError):
            return

    def _problem(self) -> str:
        """Why pods cannot run now, as kubelet words it."""
        problems = []
        if self._pleg.problem:
            problems.append("container runtime is down")
        if self._network.problem:
            problems.append(
                "container runtime network not ready: NetworkReady=false "
                f"reason:NetworkPluginNotReady message:{self._network.problem}"
            )
        if self._shutdown.problem:
            problems.append(self._shutdown.problem)
        return problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]" if problems else ""

    def _conditions(self) -> list[Condition]:
        return self._node.conditions(self._problem(), self._eviction.conditions)

    async def _report_node(self) -> None:
        """On change, and every `node_status_report_period`."""
        loop = asyncio.get_running_loop()
        reported: list[Condition] | None = None
        due = 0.0
        while True:
            conditions = self._conditions()
            if conditions != reported or loop.time() >= due:
                await self._ask_engine()
                self._reporter.node_status(self._node.status(conditions))
                self._node_events.conditions(conditions)
                reported, due = conditions, loop.time() + self._settings.node_status_report_period
            self._report_now.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CONDITION_PERIOD if not self._problem() else 0.5):
                    await self._report_now.wait()

    async def _follow_node(self) -> None:
        """What people say of this node (cordon, uncordon) is told as its events."""
        subscription = self._desired.subscribe("nodes")
        while True:
            node = self._desired.nodes.get(self._name)
            if node is not None and node.spec is not None:
                self._node_events.schedulable(not node.spec.unschedulable)
            await subscription.changes()

    def _active_pods(self) -> list[Pod]:
        return [worker.pod for worker in self._workers.values() if worker.active]

    async def _delete_unused_images(self) -> None:
        try:
            await self._image_gc.delete_unused()
        except (CollectionFailed, RuntimeFailure) as error:
            log.warning("unused images could not be removed", extra={"error": error})

    async def _terminate_pod(self, pod: Pod, termination: Termination) -> None:
        """End a pod for good; returns when it has ended, or has had its time for it."""
        worker = self._workers.get(identity(pod).uid)
        if worker is None:
            return
        try:
            async with asyncio.timeout(termination.grace + _TERMINATION_SLACK):
                await worker.terminate(termination)
        except TimeoutError:
            log.warning("a pod takes long to end", extra={"pod": identity(pod), "reason": termination.reason})

    async def _end_orphans(self) -> None:
        await self._pleg.synced.wait()
        while True:
            # What the API ordered goes by the master's word, what a manifest did by the folder's.
            by_master, by_folder = self._orphans_may_go(), self._static.complete
            if by_master or by_folder:
                here = self._pleg.pods() | await self._orphans.directories()
                known = self._desired.pods.keys() | self._static.pods.keys() | self._workers.keys() | {""}
                for uid in here - known:
                    if not (by_folder if is_static_uid(uid) else by_master):
                        continue
                    try:
                        await self._orphans.end(uid)
                    except (RuntimeFailure, OSError) as error:
                        log.warning("an orphaned pod could not be ended yet", extra={"uid": uid, "error": error})
            await asyncio.sleep(_ORPHAN_PERIOD)


def _close_root(root: Path) -> None:
    """Volumes hold Secrets, in whatever mode the pods ask for: the host's users may not get there (kubelet's 0750)."""
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o750)
