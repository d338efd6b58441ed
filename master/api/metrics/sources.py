"""Makes NodeMetrics and PodMetrics of what nodes say. Given to the registry by `master.api.metrics.resource_metrics`.

Names, labels and which node a pod is on come from the watch cache, so selectors choose before any node is asked: only nodes
of chosen pods are. What has no usage (a node out of reach, a pod that has not begun) has no metrics: 404, or left out.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from master.api.kinds.kind import Json, Kind
from master.api.metrics.kinds import GROUP, NODE_METRICS, POD_METRICS, cpu_text, memory_text
from master.api.registry.selection import Selection
from master.api.registry.storage import encode
from master.client.errors import not_found
from master.store.cached import CachedObject
from proto.k8s.time import format_time
from proto.metrics import NodeUsage, PodUsage


class Objects(Protocol):
    """Nodes and pods as the watch cache has them. `namespace` "": all."""

    def get(self, plural: str, namespace: str, name: str) -> CachedObject | None: ...

    def list(self, plural: str, namespace: str) -> Sequence[CachedObject]: ...


class Usages(Protocol):
    async def of(self, nodes: Sequence[str]) -> dict[str, NodeUsage]: ...


class _Spec(msgspec.Struct):
    nodeName: str = ""


class _Metadata(msgspec.Struct):
    uid: str = ""


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec


_pods = msgspec.json.Decoder(_Pod)


class NodeMetricsSource:
    def __init__(self, objects: Objects, usages: Usages) -> None:
        self._objects = objects
        self._usages = usages

    async def get(self, namespace: str, name: str) -> bytes:
        """Raises StatusError 404."""
        node = self._objects.get("nodes", "", name)
        made = await self._made([node]) if node is not None else []
        if not made:
            raise not_found("nodemetrics", GROUP, name)
        return made[0].raw

    async def list(self, namespace: str, selection: Selection) -> Sequence[CachedObject]:
        return await self._made(selection.of(self._objects.list("nodes", "")))

    async def _made(self, nodes: Sequence[CachedObject]) -> Sequence[CachedObject]:
        usages = await self._usages.of([node.name for node in nodes])
        return [
            _object(NODE_METRICS, node, usage.time, usage.window, {"usage": _usage(usage.cpu, usage.memory)})
            for node in nodes
            if (usage := usages.get(node.name)) is not None
        ]


class PodMetricsSource:
    def __init__(self, objects: Objects, usages: Usages) -> None:
        self._objects = objects
        self._usages = usages

    async def get(self, namespace: str, name: str) -> bytes:
        """Raises StatusError 404."""
        pod = self._objects.get("pods", namespace, name)
        made = await self._made([pod]) if pod is not None else []
        if not made:
            raise not_found("podmetrics", GROUP, f"{namespace}/{name}")
        return made[0].raw

    async def list(self, namespace: str, selection: Selection) -> Sequence[CachedObject]:
        return await self._made(selection.of(self._objects.list("pods", namespace)))

    async def _made(self, pods: Sequence[CachedObject]) -> Sequence[CachedObject]:
        decoded = [(pod, _pods.decode(pod.raw)) for pod in pods]
        nodes = sorted({content.spec.nodeName for _, content in decoded} - {""})
        usages = await self._usages.of(nodes)
        by_uid = {(node, pod.uid): pod for node, usage in usages.items() for pod in usage.pods}
        found = []
        for pod, content in decoded:
            usage = by_uid.get((content.spec.nodeName, content.metadata.uid))
            if usage is not None:
                found.append(_object(POD_METRICS, pod, usage.time, usage.window, {"containers": _containers(usage)}))
        return found


def _containers(usage: PodUsage) -> list[Json]:
    return [{"name": one.name, "usage": _usage(one.cpu, one.memory)} for one in usage.containers]


def _usage(cpu: int, memory: int) -> dict[str, str]:
    return {"cpu": cpu_text(cpu), "memory": memory_text(memory)}


def _object(kind: Kind, of: CachedObject, time: float, window: float, rest: Json) -> CachedObject:
    metadata: Json = {"name": of.name, "creationTimestamp": format_time(datetime.now(UTC))}
    if of.namespace:
        metadata["namespace"] = of.namespace
    if of.labels:
        metadata["labels"] = dict(of.labels)
    raw = encode(
        {
            "kind": kind.kind,
            "apiVersion": kind.api_version,
            "metadata": metadata,
            "timestamp": format_time(datetime.fromtimestamp(time, UTC)),
            "window": _duration(window),
            **rest,
        }
    )
    return CachedObject(key=of.key, revision=of.revision, raw=raw, namespace=of.namespace, name=of.name, labels=of.labels)


def _duration(seconds: float) -> str:
    """As Go writes one, in whole milliseconds: "1m0.5s"."""
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes)}m{rest:.10g}s" if minutes else f"{rest:.10g}s"
