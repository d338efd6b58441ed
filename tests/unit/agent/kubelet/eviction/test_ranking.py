"""Who goes first for which shortage."""

from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod
from lightkube.resources.core_v1 import Pod as PodResource

from agent.kubelet.eviction.ranking import ranked
from agent.kubelet.eviction.usage import ContainerUse, DiskUse, PodUse


def pod(name: str, *, memory: str = "", storage: str = "", priority: int = 0) -> Pod:
    requests = {key: value for key, value in (("memory", memory), ("ephemeral-storage", storage)) if value}
    spec: dict[str, Any] = {
        "containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}],
        "priority": priority,
    }
    return msgspec.convert({"metadata": {"name": name, "namespace": "d", "uid": name}, "spec": spec}, PodResource)


def memory(size: int) -> PodUse:
    return PodUse(containers={"c": ContainerUse(memory=size)})


def names(pods: list[Pod]) -> list[str]:
    return [one.metadata.name or "" for one in pods if one.metadata is not None]


def test_memory_over_requests_then_priority_then_how_much_more() -> None:
    pods = [
        pod("within", memory="100"),
        pod("over-a-little", memory="100"),
        pod("over-much", memory="100"),
        pod("over-but-important", memory="100", priority=10),
        pod("unknown"),
        pod("no-request"),
    ]
    uses = {
        "within": memory(90),
        "over-a-little": memory(150),
        "over-much": memory(900),
        "over-but-important": memory(5000),
        "no-request": memory(160),
    }
    order = names(ranked(pods, uses, "memory.available", dedicated_image_fs=False))
    assert order == ["over-much", "no-request", "over-a-little", "unknown", "over-but-important", "within"]


def test_processes_are_ranked_by_priority_then_number() -> None:
    pods = [pod("few"), pod("many"), pod("important", priority=1)]
    uses = {"few": PodUse(processes=2), "many": PodUse(processes=50), "important": PodUse(processes=500)}
    assert names(ranked(pods, uses, "pid.available", dedicated_image_fs=False)) == ["many", "few", "important"]


def test_only_what_is_on_the_short_file_system_counts() -> None:
    writes = PodUse(containers={"c": ContainerUse(rootfs=DiskUse(1000, 5))})
    keeps = PodUse(
        containers={"c": ContainerUse(logs=DiskUse(10, 1))}, volumes={"v": DiskUse(500, 90)}, on_disk=frozenset({"v"})
    )
    in_memory = PodUse(volumes={"v": DiskUse(9000, 900)})
    pods = [pod("writes"), pod("keeps"), pod("in-memory")]
    uses = {"writes": writes, "keeps": keeps, "in-memory": in_memory}
    assert names(ranked(pods, uses, "nodefs.available", dedicated_image_fs=False))[0] == "writes"
    assert names(ranked(pods, uses, "nodefs.available", dedicated_image_fs=True))[0] == "keeps"
    assert names(ranked(pods, uses, "imagefs.available", dedicated_image_fs=True))[0] == "writes"
    assert names(ranked(pods, uses, "nodefs.inodesFree", dedicated_image_fs=False))[0] == "keeps"


def test_requests_of_storage_spare_a_pod() -> None:
    use = PodUse(containers={"c": ContainerUse(rootfs=DiskUse(1000))})
    pods = [pod("asked", storage="2000"), pod("did-not")]
    order = ranked(pods, {"asked": use, "did-not": use}, "nodefs.available", dedicated_image_fs=False)
    assert names(order) == ["did-not", "asked"]
