"""Services over the real API: EndpointSlices and Endpoints follow their pods."""

from typing import Any

from lightkube.models.discovery_v1 import Endpoint
from lightkube.resources.apps_v1 import ReplicaSet
from lightkube.resources.core_v1 import Endpoints, Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from tests.integration.controllers.controllers_world import World, until
from tests.integration.controllers.test_replica_sets import replica_set


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "labels": {"tier": "front"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], **spec},
    }


async def slices(world: World, name: str = "web") -> list[EndpointSlice]:
    return list(await world.client.list(EndpointSlice, "default", labels={"kubernetes.io/service-name": name}))


async def endpoints(world: World, name: str = "web") -> list[Endpoint]:
    return [endpoint for each in await slices(world, name) for endpoint in each.endpoints or ()]


async def ready_count(world: World) -> int:
    return sum(bool(e.conditions and e.conditions.ready) for e in await endpoints(world))


async def test_a_services_slices_and_endpoints_follow_its_pods(world: World) -> None:
    await world.apply(Service, service())

    async def empty_slice() -> bool:
        return [each.endpoints or [] for each in await slices(world)] == [[]]

    await until(empty_slice, what="one empty slice")
    await world.apply(ReplicaSet, replica_set(replicas=3))

    async def three() -> bool:
        return await ready_count(world) == 3

    await until(three, what="three endpoints")
    [only] = await slices(world)
    assert only.metadata
    assert only.metadata.labels == {
        "tier": "front",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert [(port.name, port.port, port.protocol) for port in only.ports or ()] == [("", 8080, "TCP")]
    pods = {pod.metadata.uid: pod for pod in await world.client.list(Pod, "default") if pod.metadata}
    for endpoint in only.endpoints or ():
        assert endpoint.targetRef
        pod = pods[endpoint.targetRef.uid]
        assert pod.status
        assert pod.spec
        assert endpoint.addresses == [pod.status.podIP]
        assert endpoint.nodeName == pod.spec.nodeName

    async def old_kind() -> bool:
        found = await world.client.get(Endpoints, "web", "default")
        return [len(subset.addresses or ()) for subset in found.subsets or ()] == [3]

    await until(old_kind, what="v1 Endpoints")


async def test_a_terminating_pod_stays_as_serving_but_not_ready(world: World) -> None:
    await world.apply(Service, service())
    await world.apply(ReplicaSet, replica_set(replicas=1))

    async def one() -> bool:
        return await ready_count(world) == 1

    await until(one, what="one endpoint")
    [pod] = await world.client.list(Pod, "default")
    assert pod.metadata
    assert pod.spec
    world.nodes.cut_off.add(pod.spec.nodeName or "")
    await world.client.delete(Pod, pod.metadata.name or "", "default")

    async def draining() -> bool:
        found = [
            e.conditions
            for e in await endpoints(world)
            if e.targetRef and e.targetRef.name == (pod.metadata and pod.metadata.name)
        ]
        return [(c.ready, c.serving, c.terminating) for c in found if c] == [(False, True, True)]

    await until(draining, what="draining endpoint")
    world.nodes.cut_off.clear()
    world.nodes.look_again()
    await until(one, what="only the new pod")


async def test_a_named_target_port_is_looked_up_in_each_pod(world: World) -> None:
    body = replica_set(replicas=1)
    body["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 8888}]
    await world.apply(ReplicaSet, body)
    await world.apply(Service, service(ports=[{"name": "www", "port": 80, "targetPort": "http"}]))

    async def resolved() -> bool:
        return [[(p.name, p.port) for p in each.ports or ()] for each in await slices(world) if each.endpoints] == [
            [("www", 8888)]
        ]

    await until(resolved, what="the pod's own port")


async def test_more_than_a_hundred_endpoints_fill_several_slices(world: World) -> None:
    await world.apply(Service, service())
    await world.apply(ReplicaSet, replica_set(replicas=120))

    async def all_there() -> bool:
        return await ready_count(world) == 120

    await until(all_there, what="120 endpoints", seconds=40)
    sizes = sorted(len(each.endpoints or ()) for each in await slices(world))
    assert sizes[-1] <= 100
    assert len(sizes) == 2
    names = [e.targetRef.name for e in await endpoints(world) if e.targetRef]
    assert len(names) == len(set(names))


async def test_a_service_without_a_selector_is_left_alone(world: World) -> None:
    await world.apply(Service, service("manual", selector=None))
    by_hand = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "manual", "namespace": "default"},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}],
    }
    await world.apply(Endpoints, by_hand)
    await world.apply(Service, service())

    async def other_done() -> bool:
        return len(await slices(world)) == 1

    await until(other_done, what="the other Service's slice")
    assert await slices(world, "manual") == []
    kept = await world.client.get(Endpoints, "manual", "default")
    assert [[a.ip for a in s.addresses or ()] for s in kept.subsets or ()] == [["192.0.2.1"]]


async def test_a_deleted_service_takes_its_slices_and_endpoints_with_it(world: World) -> None:
    await world.apply(Service, service())

    async def made() -> bool:
        return len(await slices(world)) == 1 and len(await world.client.list(Endpoints, "default")) == 1

    await until(made, what="slice and endpoints")
    await world.client.delete(Service, "web", "default")

    async def gone() -> bool:
        return not await slices(world) and not await world.client.list(Endpoints, "default")

    await until(gone, what="both gone")
