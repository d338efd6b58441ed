"""Joins metrics.k8s.io to a registry whose nodes can be asked. Called by `master.api.build`."""

from collections.abc import Sequence

from master.api.metrics.kinds import NODE_METRICS, POD_METRICS
from master.api.metrics.sources import NodeMetricsSource, PodMetricsSource
from master.api.metrics.usages import NodeUsages
from master.api.registry.registry import Registry
from master.api.registry.storage import key_of, prefix_of
from master.client.protocol import ResourceRef
from master.client.streams import NodeStreams
from master.store.cached import CachedObject


class _Cached:
    """Core's nodes and pods."""

    def __init__(self, registry: Registry) -> None:
        self._cache = registry.storage.cache
        self._kinds = {plural: registry.kind(ResourceRef("", "v1", plural)) for plural in ("nodes", "pods")}

    def get(self, plural: str, namespace: str, name: str) -> CachedObject | None:
        return self._cache.get(key_of(self._kinds[plural], namespace, name))

    def list(self, plural: str, namespace: str) -> Sequence[CachedObject]:
        objects, _ = self._cache.list(prefix_of(self._kinds[plural], namespace))
        return objects


def serve_resource_metrics(registry: Registry, streams: NodeStreams) -> None:
    objects, usages = _Cached(registry), NodeUsages(streams)
    registry.serve_from(NODE_METRICS, NodeMetricsSource(objects, usages))
    registry.serve_from(POD_METRICS, PodMetricsSource(objects, usages))
