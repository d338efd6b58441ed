"""NodeMetrics and PodMetrics as metrics-server makes them, of the pods and nodes that were chosen."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from master.api.metrics.kinds import NODE_METRICS, POD_METRICS
from master.api.metrics.sources import NodeMetricsSource, PodMetricsSource
from master.api.registry.selection import Selection
from master.client.errors import StatusError
from master.client.kinds import decode, resource_ref
from master.client.resource_metrics import NodeMetrics, PodMetrics
from master.store.cached import CachedObject
from proto.metrics import ContainerUsage, NodeUsage, PodUsage

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def cached(name: str, namespace: str = "", **content: Any) -> CachedObject:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", **content.pop("metadata", {})}
    raw = msgspec.json.encode({"metadata": metadata, **content})
    return CachedObject(name, 1, raw, namespace, name, metadata.get("labels", {}))


class Objects:
    def __init__(self) -> None:
        self.nodes = [cached("n1", metadata={"labels": {"zone": "a"}}), cached("n2")]
        self.pods = [
            cached("web", "ns", metadata={"labels": {"app": "web"}}, spec={"nodeName": "n1"}),
            cached("db", "ns", metadata={"labels": {"app": "db"}}, spec={"nodeName": "n2"}),
            cached("waits", "ns", spec={}),
        ]

    def get(self, plural: str, namespace: str, name: str) -> CachedObject | None:
        return next((one for one in self.list(plural, namespace) if one.name == name), None)

    def list(self, plural: str, namespace: str) -> Sequence[CachedObject]:
        return self.nodes if plural == "nodes" else self.pods


class Usages:
    def __init__(self) -> None:
        self.asked: list[str] = []
        containers = [ContainerUsage("app", 1_500_000, 2048), ContainerUsage("side", 500_000, 1)]
        self.of_nodes = {
            "n1": NodeUsage(100.0, 15.2, 250_000_000, 3 << 20, [PodUsage("uid-web", 99.5, 61.5, containers)]),
            "n2": NodeUsage(100.0, 15.0, 1_000_000_000, 1, [PodUsage("uid-other", 99.5, 15.0, containers)]),
        }

    async def of(self, nodes: Sequence[str]) -> dict[str, NodeUsage]:
        self.asked.extend(nodes)
        return {name: self.of_nodes[name] for name in nodes if name in self.of_nodes}


async def test_a_nodes_metrics() -> None:
    usages = Usages()
    found = msgspec.json.decode(await NodeMetricsSource(Objects(), usages).get("", "n1"))
    assert found["metadata"].pop("creationTimestamp")
    assert found == {
        "kind": "NodeMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {"name": "n1", "labels": {"zone": "a"}},
        "timestamp": "1970-01-01T00:01:40Z",
        "window": "15.2s",
        "usage": {"cpu": "250m", "memory": "3072Ki"},
    }
    assert usages.asked == ["n1"]


async def test_a_pods_metrics_and_their_row() -> None:
    raw = await PodMetricsSource(Objects(), Usages()).get("ns", "web")
    found = msgspec.json.decode(raw)
    assert found["window"] == "1m1.5s"
    assert found["containers"] == [
        {"name": "app", "usage": {"cpu": "1500u", "memory": "2Ki"}},
        {"name": "side", "usage": {"cpu": "500u", "memory": "1Ki"}},
    ]
    assert list(POD_METRICS.row(found, NOW)) == ["web", "2m", "3Ki", "1m1.5s"]
    typed = decode(PodMetrics, raw)
    assert typed.containers[0].usage["cpu"] == "1500u"
    assert (resource_ref(PodMetrics), resource_ref(NodeMetrics)) == (POD_METRICS.resource, NODE_METRICS.resource)


async def test_selectors_choose_before_nodes_are_asked() -> None:
    usages = Usages()
    source = PodMetricsSource(Objects(), usages)
    selected = await source.list("ns", Selection(POD_METRICS, label_selector="app=web"))
    assert [one.name for one in selected] == ["web"]
    assert usages.asked == ["n1"]
    assert [one.name for one in await source.list("ns", Selection(POD_METRICS, field_selector="metadata.name=web"))] == ["web"]


async def test_what_has_no_usage_is_missing() -> None:
    objects, usages = Objects(), Usages()
    source = PodMetricsSource(objects, usages)
    # A pod of this name is another one by now, by its uid; one has no node yet.
    assert [one.name for one in await source.list("ns", Selection(POD_METRICS))] == ["web"]
    with pytest.raises(StatusError) as error:
        await source.get("ns", "db")
    assert (error.value.code, str(error.value)) == (404, 'podmetrics.metrics.k8s.io "ns/db" not found')
    del usages.of_nodes["n2"]
    nodes = NodeMetricsSource(objects, usages)
    assert [one.name for one in await nodes.list("", Selection(NODE_METRICS))] == ["n1"]
    with pytest.raises(StatusError) as error:
        await nodes.get("", "n2")
    assert str(error.value) == 'nodemetrics.metrics.k8s.io "n2" not found'
