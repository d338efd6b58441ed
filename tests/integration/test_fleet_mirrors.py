"""Mirror pods that nodes ask the fleet for, at a real registry: a node gets its own, and nothing by it."""

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lightkube.resources.core_v1 import Node, Pod

from master.api.node_verbs import NodeVerbs
from master.client.errors import StatusError
from master.client.local import LocalClient
from master.fleet.mirrors import MirrorWriter
from master.fleet.rejections import Rejections
from proto.envelope import MalformedMessage
from proto.messages import MirrorPodReport
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
HASH = "0123456789abcdef0123456789abcdef"


class Refused(Rejections):
    """Keeps what was refused."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def note(self, why: str, topic: str, detail: object) -> None:
        self.said.append(str(detail))


class World:
    """Node n1 and what it asks for."""

    def __init__(self, api: ApiWorld) -> None:
        self.client = LocalClient(api.registry)
        self.refused = Refused()
        self.writer = MirrorWriter(lambda node: LocalClient(NodeVerbs(api.registry, node)), self.refused)
        self.uid = ""

    def mirror(self, **spec: Any) -> Json:
        owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": self.uid, "controller": True}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "web-n1",
                "namespace": "default",
                "annotations": {"kubernetes.io/config.mirror": HASH, "kubernetes.io/config.hash": HASH},
                "ownerReferences": [owner],
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}], **spec},
        }

    async def ask(self, manifest: Json | None, *, uid: str = "", node: str = "n1", name: str = "web-n1") -> None:
        await self.writer.write(node, MirrorPodReport(namespace="default", name=name, object=manifest, uid=uid))

    async def pod(self, name: str = "web-n1") -> Pod | None:
        try:
            return await self.client.get(Pod, name, "default")
        except StatusError as error:
            if error.code == 404:
                return None
            raise


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with api_world(tmp_path) as api:
        made = World(api)
        for name in ("n1", "n2"):
            node = await made.client.create(msgspec.convert({"metadata": {"name": name}}, Node))
            assert node.metadata is not None
            made.uid = made.uid or node.metadata.uid or ""
        yield made


async def test_a_node_has_its_mirror_made_once_and_removed_by_uid(world: World) -> None:
    await world.ask(world.mirror())
    await world.ask(world.mirror())
    pod = await world.pod()
    assert pod is not None
    assert pod.metadata is not None
    assert pod.spec is not None
    assert not pod.spec.serviceAccountName
    assert not pod.spec.volumes
    await world.ask(None, uid="another")
    assert await world.pod() is not None
    await world.ask(None, uid=pod.metadata.uid or "")
    assert await world.pod() is None
    await world.ask(None, uid=pod.metadata.uid or "")
    assert world.refused.said == []


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"serviceAccountName": "default"}, "service account"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "secrets"),
        ({"imagePullSecrets": [{"name": "s"}]}, "secrets"),
        ({"volumes": [{"name": "v", "configMap": {"name": "s"}}]}, "configmaps"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "s"}}]}, "persistentvolumeclaims"),
        ({"nodeName": "n2"}, "can only create pods with spec.nodeName set to itself"),
        ({"nodeName": None}, "can only create pods with spec.nodeName set to itself"),
        ({"containers": []}, "Required value"),
    ],
)
async def test_a_mirror_that_would_give_a_node_more_is_refused(world: World, spec: Json, why: str) -> None:
    await world.ask(world.mirror(**spec))
    assert await world.pod() is None
    (said,) = world.refused.said
    assert why in said


async def test_a_pod_that_is_no_mirror_or_of_another_owner_is_refused(world: World) -> None:
    plain, foreign, orphan = (copy.deepcopy(world.mirror()) for _ in range(3))
    del plain["metadata"]["annotations"]["kubernetes.io/config.mirror"]
    foreign["metadata"]["ownerReferences"][0] |= {"name": "n2"}
    del orphan["metadata"]["ownerReferences"]
    for manifest in (plain, foreign, orphan):
        await world.ask(manifest)
    assert await world.pod() is None
    assert len(world.refused.said) == 3
    for manifest in ({"metadata": []}, {**world.mirror(), "metadata": {"name": "other", "namespace": "default"}}):
        with pytest.raises(MalformedMessage):
            await world.ask(manifest)


async def test_a_node_removes_neither_ordinary_pods_nor_other_nodes_mirrors(world: World) -> None:
    ordinary = {
        "metadata": {"name": "plain", "namespace": "default"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
    }
    plain = await world.client.create(msgspec.convert(ordinary, Pod))
    await world.ask(world.mirror())
    mirror = await world.pod()
    assert plain.metadata is not None
    assert mirror is not None
    assert mirror.metadata is not None
    with pytest.raises(MalformedMessage):
        await world.ask(None, uid=plain.metadata.uid or "", name="plain")
    with pytest.raises(MalformedMessage):
        await world.ask(None, uid=mirror.metadata.uid or "", node="n2")
    assert await world.pod("plain") is not None
    assert await world.pod() is not None
