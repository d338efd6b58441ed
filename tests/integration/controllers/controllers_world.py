"""All controllers on the real API (registry, watch cache, SQLite in a temporary folder), with nodes that only report.

The nodes here start no containers: they bind pods, report them as running and ready (unless told not to), and remove them when
they are deleted, as scheduler, agents and fleet do together.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from lightkube.core.resource import Resource
from lightkube.resources.core_v1 import (
    Event,
    Namespace,
    Node,
    Pod,
)

from master.api.auth.access_review import AccessReview
from master.api.build import build_registry
from master.api.registry.registry import Registry
from master.api.served_types import ServedTypes
from master.api.settings import ApiSettings
from master.client.errors import StatusError
from master.client.events import EventRecorder
from master.client.local import LocalClient
from master.client.protocol import DeleteOptions, Json, RawEvent, ResourceRef, Verbs
from master.controllers import ControllerContext, ControllerSettings, SystemClock, build_controllers
from master.informer import Informers, WorkQueue, run_workers
from master.pki.authority import Authority, generate_key, key_to_pem
from master.pki.service_account.keys import ServiceAccountKeys
from master.store.cache import WatchCache
from master.store.sqlite import SQLiteStore

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


class LaggingReads:
    """The API as informers read it, with watches that tell late of what controllers make, though not of what users want."""

    _LATE = frozenset({"endpointslices", "pods", "replicasets"})

    def __init__(self, verbs: Verbs, lag: float) -> None:
        self._verbs = verbs
        self._lag = lag
        self.list = verbs.list

    async def watch(
        self,
        resource: ResourceRef,
        namespace: str,
        *,
        revision: int,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Sequence[RawEvent]]:
        watch = self._verbs.watch(
            resource, namespace, revision=revision, label_selector=label_selector, field_selector=field_selector
        )
        async for batch in watch:
            await asyncio.sleep(self._lag if resource.plural in self._LATE else 0)
            yield batch


class Heartbeats:
    """Nodes that are heard now, but for those that fell silent."""

    def __init__(self) -> None:
        self.silent_since: dict[str, float] = {}
        self.wills: dict[str, float] = {}

    def last_seen(self, node: str) -> float | None:
        return self.silent_since.get(node, asyncio.get_running_loop().time())

    def suspected(self, node: str) -> float | None:
        return self.wills.get(node)


class Nodes:
    """Scheduler and agents in one: bind, report, remove."""

    def __init__(self, client: LocalClient, informers: Informers) -> None:
        self._client = client
        self._pods = informers.of(Pod)
        self._queue: WorkQueue[tuple[str, str]] = WorkQueue("test-nodes")
        self.names: list[str] = []
        self.cut_off: set[str] = set()
        self.ready: Callable[[Pod], bool] = lambda pod: True
        self._address = 0
        self._pods.add_handler(self._on_pod)

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None and new.metadata:
            self._queue.add((new.metadata.namespace or "", new.metadata.name or ""))

    def look_again(self) -> None:
        """After `ready` or `cut_off` changed."""
        for pod in self._pods.list():
            self._on_pod(None, pod)

    async def run(self) -> None:
        await run_workers(self._queue, self._reconcile, workers=1, name="test-nodes")

    async def _reconcile(self, key: tuple[str, str]) -> None:
        pod = self._pods.get(*key)
        if pod is None or pod.metadata is None or pod.spec is None:
            return
        try:
            if not pod.spec.nodeName:
                if self.names and not pod.metadata.deletionTimestamp:
                    node = self.names[self._address % len(self.names)]
                    self._address += 1
                    await self._client.bind(key[1], key[0], pod.metadata.uid or "", node)
            elif pod.spec.nodeName in self.cut_off:
                return
            elif pod.metadata.deletionTimestamp:
                options = DeleteOptions(grace_period_seconds=0, uid=pod.metadata.uid)
                await self._client.delete(Pod, key[1], key[0], options)
            else:
                await self._report(key, pod)
        except StatusError as error:
            if error.code != 404:
                raise

    async def _report(self, key: tuple[str, str], pod: Pod) -> None:
        ready = "True" if self.ready(pod) else "False"
        current = {c.type: c.status for c in (pod.status.conditions if pod.status else None) or ()}
        if current.get("Ready") == ready:
            return
        self._address += 1
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ip = (pod.status.podIP if pod.status else None) or f"10.244.{self._address // 250}.{self._address % 250 + 2}"
        status = {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": at}],
        }
        await self._client.patch(
            Pod,
            key[1],
            key[0],
            {"metadata": {"uid": pod.metadata.uid if pod.metadata else None}, "status": status},
            patch_type="application/strategic-merge-patch+json",
            subresource="status",
        )


@dataclass
class World:
    client: LocalClient
    informers: Informers
    heartbeats: Heartbeats
    nodes: Nodes
    registry: Registry
    recorders: list[EventRecorder] = field(default_factory=list)

    async def apply(self, kind: type[Resource], body: Json) -> None:
        """Create the object as a user's manifest says it."""
        await self.client.create(kind.from_dict(body))  # type: ignore[attr-defined]

    async def add_node(self, name: str, *, ready: bool = True) -> None:
        await self.apply(Node, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        await self.report_node(name, ready=ready)
        self.nodes.names.append(name)
        self.nodes.look_again()

    async def report_node(self, name: str, *, ready: bool = True) -> None:
        """What a node's own status says."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": at,
            "lastTransitionTime": at,
        }
        await self.client.patch(
            Node,
            name,
            "",
            {"status": {"conditions": [condition]}},
            patch_type="application/strategic-merge-patch+json",
            subresource="status",
        )

    async def events(self, namespace: str, reason: str) -> list[str]:
        found = await self.client.list(Event, namespace)
        return [event.message or "" for event in found if event.reason == reason]


async def until(condition: Callable[[], Awaitable[bool]], *, what: str, seconds: float = 20.0) -> None:
    """Wait until it holds; fails saying what did not."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def open_world(folder: Path, settings: ControllerSettings, *, lag: float = 0.0) -> AsyncIterator[World]:
    """`lag`: seconds by which the controllers' caches of what they make are behind the API; no other cache is."""
    store = SQLiteStore(folder / "store.db")
    await store.open()
    tasks: list[asyncio.Task[None]] = []
    try:
        async with asyncio.TaskGroup() as group:
            cache = WatchCache(store)
            tasks.append(group.create_task(cache.run()))
            await cache.synced()
            registry = build_registry(store, cache, ApiSettings())
            await registry.open()
            client = LocalClient(registry)
            informers = Informers(registry)
            lagging = Informers(cast(Verbs, LaggingReads(registry, lag))) if lag else informers
            nodes = Nodes(client, informers)
            world = World(client, informers, Heartbeats(), nodes, registry)

            def recorder(component: str) -> EventRecorder:
                made = EventRecorder(client, component)
                world.recorders.append(made)
                return made

            context = ControllerContext(
                client=client,
                informers=lagging,
                kinds=ServedTypes(registry.kinds),
                recorder=recorder,
                clock=SystemClock(),
                heartbeats=world.heartbeats,
                settings=settings,
                authority=Authority.generate("test"),
                service_account_keys=ServiceAccountKeys(key_to_pem(generate_key())),
                access=AccessReview(registry.authorization),
            )
            controllers = build_controllers(context)
            followed = {informers, lagging}
            runs = [
                *(each.run for each in followed),
                registry.custom_resources.run,
                nodes.run,
                *(each.run for each in controllers),
                *(each.run for each in world.recorders),
            ]
            tasks += [group.create_task(run()) for run in runs]
            for name in ("default", "kube-system"):
                await world.apply(Namespace, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            yield world
            for task in tasks:
                task.cancel()
    finally:
        await store.close()
