"""Orders and reports between a real master process, its real mosquitto and real agent links."""

import asyncio
import base64
import shutil
import ssl
from pathlib import Path
from random import Random
from typing import Any

import aiomqtt
import msgpack
import pytest
import yaml
from lightkube.models.core_v1 import Pod

from agent.join import JoinFailed
from master.cli import main
from master.cli.errors import CommandError
from proto.envelope import Envelope
from proto.messages import Hello, encode
from tests.integration.master_cluster import (
    Api,
    Json,
    Node,
    eventually,
    join_node,
    master_running,
    node_running,
    pod,
)

pytestmark = pytest.mark.broker

PODS = "/api/v1/namespaces/default/pods"


async def until(api: Api, path: str, holds: object, seconds: float = 20.0) -> Json:
    """The object at `path` once it is as asked."""
    assert callable(holds)
    seen: Json = {}
    for _ in range(int(seconds * 10)):
        seen = await api.get(path)
        if holds(seen):
            return seen
        await asyncio.sleep(0.1)
    raise AssertionError(f"{path} stays {seen}")


def condition(obj: Json, type_: str) -> str:
    return next((c["status"] for c in obj.get("status", {}).get("conditions", []) if c["type"] == type_), "")


def desired_pod(node: Node, uid: str) -> Pod:
    return node.desired.pods[uid]


_CONTAINER: Json = {"name": "c", "image": "registry.test/app:1", "imageID": "", "restartCount": 0}
_KINDS = ("Hello", "Heartbeat", "Offline", "NodeStatusReport", "PodStatusReport", "EventReport", "StreamFrame", "Leader")


def malformed(random: Random) -> bytes:
    """A payload that is wrong in one of many ways: no envelope, a wrong field, a body that does not fit."""
    junk: Any = random.choice(
        [None, True, -1, 2**63, 1.5, "x" * 3000, b"\xff" * 3000, [], {"a": [[]] * 50}, {"status": {"phase": 7}}]
    )
    match random.randrange(5):
        case 0:
            return random.randbytes(random.randrange(200))
        case 1:
            return bytes(msgpack.packb(junk))
        case 2:
            fields = [1, random.choice(_KINDS), 0, 0, "", b"", b""]
            fields[random.randrange(7)] = junk
            return bytes(msgpack.packb(fields))
        case 3:
            body = dict.fromkeys(("node", "status", "event", "sealing_key", "inventory", "uid"), junk)
            return Envelope(random.choice(_KINDS), 0, 0, "", bytes(msgpack.packb(body))).pack()
        case _:
            hello = Hello(
                node={"metadata": {"labels": {"a": "b" * 100}}, "status": {"conditions": 3}},
                sealing_key=bytes(32),
                boot_id="",
                agent_version="",
            )
            return encode(hello).pack()[: random.randrange(1, 400)]


async def registered(api: Api, node: Node) -> None:
    """Wait until the node has registered, is schedulable, and knows its pod CIDR."""
    await until(api, f"/api/v1/nodes/{node.name}", lambda found: condition(found, "Ready") == "True")
    await eventually(lambda: node.desired.node is not None)


async def test_a_pod_goes_down_with_what_it_refers_to_and_its_status_comes_up(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api, node_running(master, "n1", tmp_path / "n1") as node:
        await registered(api, node)
        found = await api.get("/api/v1/nodes/n1")
        assert found["status"]["capacity"]["cpu"] == "4"
        assert "node-restriction.kubernetes.io/x" not in found["metadata"]["labels"]
        assert node.desired.node is not None
        assert node.desired.node.pod_cidr == found["spec"]["podCIDR"]

        await api.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "cm"}, "data": {"a": "b"}})
        await api.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "other"}, "data": {"a": "b"}})
        secret = base64.b64encode(b"canary-hunter2").decode()
        await api.create("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "data": {"p": secret}})
        env = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}}]
        created = await api.create(PODS, pod("a", container={"envFrom": [{"configMapRef": {"name": "cm"}}], "env": env}))
        uid = created["metadata"]["uid"]

        await eventually(lambda: uid in node.desired.pods and node.desired.secrets)
        assert set(node.desired.config_maps) == {("default", "cm"), ("default", "kube-root-ca.crt")}
        (token,) = (node.desired.secrets["", uid].data or {}).values()
        assert node.desired.secrets["default", "s"].data == {"p": secret}

        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        node.outbox.pod_status(desired_pod(node, uid), {"phase": "Running", "podIP": "10.201.0.5", "conditions": [ready]})
        shown = await until(api, f"{PODS}/a", lambda one: one["status"].get("phase") == "Running")
        assert shown["status"]["podIP"] == "10.201.0.5"
        node.outbox.event(desired_pod(node, uid), "Normal", "Pulled", "Container image is present")
        events = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Da%2Creason%3DPulled"
        listed = await until(api, events, lambda found: found["items"])
        assert listed["items"][0]["source"] == {"component": "kubelet", "host": "n1"}

        await api.delete(f"{PODS}/a")
        await eventually(lambda: (held := node.desired.pods[uid].metadata) is not None and held.deletionTimestamp is not None)
        node.outbox.pod_status(desired_pod(node, uid), {"phase": "Succeeded"}, terminated=True)
        await until(api, PODS, lambda found: not found["items"])
        await eventually(lambda: not node.desired.pods and not node.desired.config_maps and not node.desired.secrets)
        lease = await until(api, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", lambda one: one["items"])
        assert lease["items"][0]["spec"]["holderIdentity"] == "n1"
    for file in (master.folder / "data" / "broker").rglob("*"):
        content = file.read_bytes()
        assert secret.encode() not in content
        assert base64.b64decode(token).split(b".")[2] not in content


async def test_a_node_cannot_speak_for_anothers_pod(tmp_path: Path) -> None:
    async with (
        master_running() as master,
        master.api() as api,
        node_running(master, "n1", tmp_path / "n1") as n1,
        node_running(master, "n2", tmp_path / "n2") as n2,
    ):
        await registered(api, n1)
        await registered(api, n2)
        uid = (await api.create(PODS, pod("a", "n1")))["metadata"]["uid"]
        await eventually(lambda: uid in n1.desired.pods)
        assert uid not in n2.desired.pods
        n2.outbox.pod_status(desired_pod(n1, uid), {"phase": "Failed"}, terminated=True)
        n1.outbox.pod_status(desired_pod(n1, uid), {"phase": "Running"})
        await until(api, f"{PODS}/a", lambda one: one["status"].get("phase") == "Running")
        await asyncio.sleep(0.5)
        assert (await api.get(f"{PODS}/a"))["status"]["phase"] == "Running"


async def test_a_name_belongs_to_the_key_that_joined_first(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api:
        await join_node(master, "n1", tmp_path / "first")
        await join_node(master, "n1", tmp_path / "first")
        with pytest.raises(JoinFailed, match="another key"):
            await join_node(master, "n1", tmp_path / "second")
        await api.delete("/api/v1/nodes/n1")
        await join_node(master, "n1", tmp_path / "second")


async def test_a_killed_broker_and_wiped_data_stop_nothing(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api, node_running(master, "n1", tmp_path / "n1") as node:
        await registered(api, node)
        for number in range(200):
            await api.create(PODS, pod(f"p{number}", "n1"))
        await eventually(lambda: len(node.desired.pods) == 200)
        before = dict(node.desired.pods)
        subscription = node.desired.subscribe("pods")

        old = master.kill_broker()
        shutil.rmtree(master.folder / "data" / "broker" / "data")
        await eventually(lambda: (master.folder / "data" / "broker" / "pid").exists() and master.broker_pid != old)
        created = await api.create(PODS, pod("late", "n1"))
        await eventually(lambda: created["metadata"]["uid"] in node.desired.pods)
        assert len(node.desired.pods) == 201
        assert all(node.desired.pods[uid] == value for uid, value in before.items())
        changes = {change.name for change in await subscription.changes()}
        assert changes & set(before) == set()


async def test_a_fresh_agent_gets_everything_from_a_wiped_broker(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api:
        async with node_running(master, "n1", tmp_path / "n1") as node:
            await registered(api, node)
        for number in range(200):
            await api.create(PODS, pod(f"p{number}", "n1"))
        old = master.kill_broker()
        shutil.rmtree(master.folder / "data" / "broker" / "data")
        await eventually(lambda: (master.folder / "data" / "broker" / "pid").exists() and master.broker_pid != old)
        shutil.rmtree(tmp_path / "n1" / "checkpoint")
        async with node_running(master, "n1", tmp_path / "n1") as again:
            await eventually(lambda: len(again.desired.pods) == 200)
            await eventually(lambda: again.desired.listed_pods is not None and len(again.desired.listed_pods) == 200)


async def test_a_killed_master_keeps_acknowledged_objects_and_orders(tmp_path: Path) -> None:
    async with master_running() as master, node_running(master, "n1", tmp_path / "n1") as node:
        async with master.api() as api:
            await registered(api, node)
            acknowledged: set[str] = set()

            async def write() -> None:
                for number in range(1000):
                    created = await api.create(PODS, pod(f"p{number}", "n1"))
                    acknowledged.add(created["metadata"]["uid"])

            async def write_until_killed() -> None:
                with pytest.raises(CommandError, match="does not answer"):
                    await write()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(write_until_killed())
                await eventually(lambda: len(acknowledged) > 50)
                await master.kill()
        await master.start()
        async with master.api() as api:
            listed = {item["metadata"]["uid"] for item in (await api.get(PODS))["items"]}
            assert acknowledged <= listed
            await eventually(lambda: set(node.desired.pods) == listed)
            doomed = (await api.get(PODS))["items"][0]["metadata"]
            await api.delete(f"{PODS}/{doomed['name']}?gracePeriodSeconds=0")
            await eventually(lambda: doomed["uid"] not in node.desired.pods)
        assert await master.stop() == 0


async def test_logs_come_over_the_wire(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api, node_running(master, "n1", tmp_path / "n1") as node:
        await registered(api, node)
        uid = (await api.create(PODS, pod("a", "n1")))["metadata"]["uid"]
        await eventually(lambda: uid in node.desired.pods)
        status = {
            "phase": "Running",
            "containerStatuses": [{**_CONTAINER, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "ready": True}],
        }
        node.outbox.pod_status(desired_pod(node, uid), status)
        await until(api, f"{PODS}/a", lambda one: one["status"].get("phase") == "Running")
        assert await api.text(f"{PODS}/a/log") == "log of a\n"


async def test_ten_thousand_malformed_messages_harm_nobody(tmp_path: Path) -> None:
    async with (
        master_running() as master,
        master.api() as api,
        node_running(master, "n1", tmp_path / "n1") as good,
    ):
        await registered(api, good)
        await join_node(master, "n2", tmp_path / "n2")
        tls = ssl.create_default_context(cafile=str(tmp_path / "n2" / "ca.crt"))
        tls.load_cert_chain(tmp_path / "n2" / "node.crt", tmp_path / "n2" / "node.key")
        port = yaml.safe_load((tmp_path / "n2" / "config.yaml").read_text())["broker"]["port"]
        random, topics = Random(1), good.link._parts.identity.topics
        whats = ["hello", "heartbeat", "offline", "status", "pods", "events", "streams/x", "nonsense"]
        async with aiomqtt.Client("127.0.0.1", port, tls_context=tls, protocol=aiomqtt.ProtocolVersion.V5) as session:
            for _ in range(10_000):
                topic = topics.up("n2", "x").removesuffix("x") + random.choice(whats)
                await session.publish(topic, malformed(random), qos=0)
        uid = (await api.create(PODS, pod("a", "n1")))["metadata"]["uid"]
        await eventually(lambda: uid in good.desired.pods)
        assert await api.ready()
        assert "Traceback" not in master.log.read_text()
        assert master.log.read_text().count("\n") < 300


async def test_a_node_that_falls_silent_becomes_unknown(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api:
        async with node_running(master, "n1", tmp_path / "n1") as node:
            await registered(api, node)
        await until(api, "/api/v1/nodes/n1", lambda found: condition(found, "Ready") == "Unknown", 20)


def test_running_before_init_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--data-dir", str(tmp_path / "d")]) == 1
    assert "wherry-master init" in capsys.readouterr().err
