"""Mirrors: what the node asks for until the API shows its static pods, and through whom their reports go."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import yaml
from lightkube.models.core_v1 import Pod
from lightkube.resources.core_v1 import Node
from lightkube.resources.core_v1 import Pod as PodResource

from agent.desired import DesiredState
from agent.kubelet.labels import identity
from agent.kubelet.static_pods.manifest import static_pod
from agent.kubelet.static_pods.mirrors import Mirrors, is_mirror

Json = dict[str, Any]


class World:
    """A node `n1` with one static pod. As Reporter it keeps what it is told."""

    def __init__(self) -> None:
        self.desired = DesiredState()
        self.desired.nodes["n1"] = msgspec.convert({"metadata": {"name": "n1", "uid": "node-uid"}}, Node)
        content = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        self.pod = static_pod(yaml.safe_dump(content).encode(), file="/m/web", node="n1", seen=datetime.now(UTC))
        self.statics = {identity(self.pod).uid: self.pod}
        self.ready = True
        self.wishes: list[tuple[str, Json | None, str]] = []
        self.statuses: list[tuple[str, Json]] = []
        self.events: list[tuple[str, str]] = []
        self.mirrors = Mirrors(
            node="n1", desired=self.desired, reporter=self, statics=lambda: self.statics, ready=lambda: self.ready
        )

    def mirror_pod(self, namespace: str, name: str, *, manifest: Json | None, uid: str = "") -> None:
        self.wishes.append((f"{namespace}/{name}", manifest, uid))

    def pod_status(self, pod: Pod, status: Json, *, terminated: bool = False) -> None:
        self.statuses.append((identity(pod).uid, status))

    def node_status(self, status: Json) -> None:
        raise AssertionError

    def event(self, pod: Pod | None, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.events.append((identity(pod).uid if pod is not None else "", reason))

    def shown(self, *, uid: str = "mirror-uid", **changed: Any) -> None:
        """The API has made what was asked for last."""
        manifest = next(one for _, one, _ in reversed(self.wishes) if one is not None)
        value = {**manifest, "metadata": {**manifest["metadata"], "uid": uid, **changed}}
        self.desired.pods[uid] = msgspec.convert(value, PodResource)


def test_a_mirror_is_asked_for_as_node_restriction_allows_it() -> None:
    world = World()
    assert world.mirrors.reconcile(0) == 2
    ((name, manifest, uid),) = world.wishes
    assert (name, uid) == ("default/web-n1", "")
    assert manifest is not None
    metadata = manifest["metadata"]
    assert metadata["annotations"]["kubernetes.io/config.mirror"] == identity(world.pod).uid
    assert metadata["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid", "controller": True}
    ]
    assert "uid" not in metadata
    assert manifest["spec"]["nodeName"] == "n1"


def test_a_wish_is_said_again_ever_more_seldom_until_it_shows() -> None:
    world = World()
    said = [
        now
        for now in range(200)
        if (before := len(world.wishes)) is not None
        and world.mirrors.reconcile(now) is not None
        and len(world.wishes) > before
    ]
    assert said == [0, 2, 6, 14, 30, 62, 122, 182]
    world.shown()
    assert world.mirrors.reconcile(200) is None
    assert is_mirror(world.desired.pods["mirror-uid"])


def test_without_its_node_in_sight_nothing_is_asked_for() -> None:
    world = World()
    world.desired.nodes.clear()
    assert world.mirrors.reconcile(0) is None
    assert world.wishes == []


def test_a_mirror_that_is_deleted_goes_at_once_and_comes_back() -> None:
    world = World()
    world.mirrors.reconcile(0)
    world.shown(deletionTimestamp="2026-11-24T12:00:00Z")
    world.mirrors.reconcile(1)
    assert world.wishes[-1] == ("default/web-n1", None, "mirror-uid")
    world.desired.pods.clear()
    world.mirrors.reconcile(2)
    assert world.wishes[-1][1] is not None


def test_a_mirror_of_another_manifest_is_replaced_and_one_of_none_is_removed() -> None:
    world = World()
    world.mirrors.reconcile(0)
    world.shown(annotations={"kubernetes.io/config.mirror": "older"})
    world.mirrors.reconcile(1)
    assert world.wishes[-1] == ("default/web-n1", None, "mirror-uid")
    world.statics.clear()
    world.ready = False
    before = len(world.wishes)
    world.mirrors.reconcile(100)
    assert len(world.wishes) == before
    world.ready = True
    world.mirrors.reconcile(101)
    assert world.wishes[-1] == ("default/web-n1", None, "mirror-uid")


def test_reports_of_a_static_pod_wait_for_its_mirror_and_go_in_its_name() -> None:
    world = World()
    static_uid = identity(world.pod).uid
    world.mirrors.pod_status(world.pod, {"phase": "Pending"})
    world.mirrors.event(world.pod, "Normal", "Started", "m")
    world.mirrors.pod_status(world.pod, {"phase": "Running"})
    world.mirrors.reconcile(0)
    assert (world.statuses, world.events) == ([], [])
    world.shown()
    world.mirrors.reconcile(1)
    assert world.statuses == [("mirror-uid", {"phase": "Running"})]
    assert world.events == [(static_uid, "Started")]
    assert world.mirrors.pod_of("mirror-uid") is world.pod
    world.mirrors.pod_status(world.pod, {"phase": "Failed"})
    assert world.statuses[-1] == ("mirror-uid", {"phase": "Failed"})
    world.mirrors.pod_status(world.pod, {"phase": "Failed"}, terminated=True)
    assert len(world.statuses) == 2  # a mirror goes when the node asks for it, not by its pod's end
