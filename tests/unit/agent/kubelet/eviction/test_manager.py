"""The eviction manager over observations that the test makes: one pod at a time, in order, with kubelet's words."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod
from lightkube.resources.core_v1 import Pod as PodResource

from agent.kubelet.eviction.manager import EvictionManager
from agent.kubelet.eviction.pressure import Observation
from agent.kubelet.eviction.usage import ContainerUse, DiskUse, PodUse
from agent.kubelet.labels import identity
from agent.kubelet.pod.termination import Termination
from agent.settings.kubelet import KubeletSettings

MI = 1024 * 1024
_HARD = {"memory.available": "100Mi", "nodefs.available": "10%"}


def pod(name: str, *, container: dict[str, Any] | None = None, **spec: Any) -> Pod:
    manifest = {
        "metadata": {"name": name, "namespace": "d", "uid": spec.pop("uid", name), "annotations": spec.pop("annotations", {})},
        "spec": {"containers": [{"name": "c", "image": "i", **(container or {})}], **spec},
    }
    return msgspec.convert(manifest, PodResource)


class World:
    """A node whose resources the test sets. As NodeSignals, PodUses and Reporter."""

    dedicated_image_fs = False

    def __init__(self, *pods: Pod, **settings: Any) -> None:
        self.pods = list(pods)
        self.available = {"memory.available": 500 * MI, "nodefs.available": 500 * MI}
        self.uses: dict[str, PodUse] = {}
        self.evicted: list[tuple[str, Termination]] = []
        self.events: list[tuple[str, str, str]] = []
        self.reclaimable = 0
        self.measured = 0
        self.manager = EvictionManager(
            settings=KubeletSettings(**{"eviction_hard": _HARD, **settings}),
            signals=self,
            uses=self,
            pods=lambda: self.pods,
            evict=self.evict,
            reclaim=(self.reclaim,),
            reporter=self,
        )

    def observe(self) -> Mapping[str, Observation]:
        return {signal: Observation(available, 1000 * MI) for signal, available in self.available.items()}

    async def of(self, pods: Sequence[Pod], *, disk: bool) -> Mapping[str, PodUse]:
        self.measured += 1
        return {uid: use for uid, use in self.uses.items() if uid in {identity(one).uid for one in pods}}

    async def evict(self, one: Pod, termination: Termination) -> None:
        self.evicted.append((identity(one).name, termination))
        self.pods.remove(one)

    async def reclaim(self) -> None:
        self.available["nodefs.available"] += self.reclaimable

    def event(self, pod: Pod | None, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.events.append((identity(pod).name if pod is not None else "", reason, message))

    def pod_status(self, pod: Pod, status: dict[str, Any], *, terminated: bool = False) -> None:
        raise AssertionError("the manager reports no status")

    def node_status(self, status: dict[str, Any]) -> None:
        raise AssertionError("the manager reports no status")


async def test_one_pod_goes_for_short_memory_and_is_told_why() -> None:
    request = {"resources": {"requests": {"memory": "64Mi"}}}
    world = World(pod("small"), pod("large", container=request), pod("larger-within", container=request))
    world.available["memory.available"] = 50 * MI
    world.uses = {
        "small": PodUse(containers={"c": ContainerUse(memory=MI)}),
        "large": PodUse(containers={"c": ContainerUse(memory=200 * MI)}),
        "larger-within": PodUse(containers={"c": ContainerUse(memory=60 * MI)}),
    }
    assert await world.manager.synchronize(0)
    assert [name for name, _ in world.evicted] == ["large"]
    termination = world.evicted[0][1]
    assert termination == Termination(
        "Evicted",
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container c was using 200Mi, request is 64Mi, has larger consumption of memory. ",
        grace=1.0,
        disruption=True,
    )
    assert world.events == [
        ("", "EvictionThresholdMet", "Attempting to reclaim memory"),
        ("large", "Evicted", termination.message),
    ]
    assert world.manager.conditions == {"MemoryPressure"}


async def test_a_node_with_enough_measures_and_evicts_nothing() -> None:
    world = World(pod("a"))
    assert not await world.manager.synchronize(0)
    assert (world.evicted, world.events, world.measured) == ([], [], 0)


async def test_static_and_critical_pods_are_spared() -> None:
    static = pod("static", uid="0" * 32, annotations={"kubernetes.io/config.source": "file"})
    world = World(static, pod("critical", priority=2_000_000_000), pod("one", priority=5))
    world.available["memory.available"] = 0
    assert await world.manager.synchronize(0)
    assert [name for name, _ in world.evicted] == ["one"]
    assert not await world.manager.synchronize(1)


async def test_a_soft_threshold_gives_the_pod_its_time() -> None:
    world = World(
        pod("a"),
        eviction_hard={},
        eviction_soft={"memory.available": "600Mi"},
        eviction_soft_grace_period={"memory.available": 60},
        eviction_max_pod_grace_period=20,
    )
    assert not await world.manager.synchronize(0)
    assert not await world.manager.synchronize(59)
    assert await world.manager.synchronize(60)
    assert world.evicted[0][1].grace == 20


async def test_what_nobody_uses_goes_before_a_pod_does() -> None:
    world = World(pod("a"))
    world.available["nodefs.available"] = 90 * MI
    world.reclaimable = 100 * MI
    assert not await world.manager.synchronize(0)
    assert world.evicted == []
    world.reclaimable = 0
    world.available["nodefs.available"] = 90 * MI
    assert await world.manager.synchronize(1)
    assert world.evicted[0][1].message.startswith("The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi")


async def test_pods_that_exceed_their_own_limits_of_the_disk_go_without_any_shortage() -> None:
    limit = {"resources": {"limits": {"ephemeral-storage": "10Mi"}}}
    volume = [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]
    world = World(
        pod("volume", volumes=volume),
        pod("layer", container=limit),
        pod("sum", container=limit, volumes=[{"name": "v", "emptyDir": {}}]),
        pod("within", container=limit, volumes=volume),
        pod("unlimited"),
    )
    world.uses = {
        "volume": PodUse(volumes={"v": DiskUse(2 * MI)}, on_disk=frozenset({"v"})),
        "layer": PodUse(containers={"c": ContainerUse(rootfs=DiskUse(6 * MI), logs=DiskUse(5 * MI))}),
        "sum": PodUse(
            containers={"c": ContainerUse(rootfs=DiskUse(9 * MI))}, volumes={"v": DiskUse(2 * MI)}, on_disk=frozenset({"v"})
        ),
        "within": PodUse(containers={"c": ContainerUse(rootfs=DiskUse(MI))}, volumes={"v": DiskUse(MI)}),
        "unlimited": PodUse(containers={"c": ContainerUse(rootfs=DiskUse(900 * MI))}),
    }
    assert await world.manager.synchronize(0)
    assert {name: one.message for name, one in world.evicted} == {
        "volume": 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
        "layer": "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
        "sum": "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
    }
    assert not any(one.disruption for _, one in world.evicted)


async def test_one_container_may_exceed_its_limit_while_the_pod_keeps_within_its_own() -> None:
    manifest = pod("two", container={"resources": {"limits": {"ephemeral-storage": "10Mi"}}})
    assert manifest.spec is not None
    other = {"name": "d", "image": "i", "resources": {"limits": {"ephemeral-storage": "90Mi"}}}
    world = World(msgspec.convert(_with_container(manifest, other), PodResource))
    world.uses = {"two": PodUse(containers={"c": ContainerUse(rootfs=DiskUse(11 * MI))})}
    assert await world.manager.synchronize(0)
    assert world.evicted[0][1].message == 'Container c exceeded its local ephemeral storage limit "10Mi". '


def _with_container(manifest: Pod, container: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(manifest)
    value["spec"]["containers"].append(container)
    return value


async def test_what_is_new_is_refused_while_the_node_is_short() -> None:
    burstable = pod("burstable", container={"resources": {"requests": {"memory": "1Mi"}}})
    tolerant = pod("tolerant", tolerations=[{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}])
    world = World(eviction_pressure_transition_period=300)
    assert world.manager.admit(pod("a")) is None
    world.available["memory.available"] = 0
    await world.manager.synchronize(0)
    refusal = world.manager.admit(pod("a"))
    assert refusal is not None
    assert (refusal.reason, refusal.message) == ("Evicted", "The node had condition: [MemoryPressure]. ")
    assert world.manager.admit(burstable) is None
    assert world.manager.admit(tolerant) is None
    world.available["nodefs.available"] = 0
    await world.manager.synchronize(1)
    assert world.manager.admit(burstable) is not None
    assert world.manager.admit(pod("critical", priority=2_000_000_000)) is None
