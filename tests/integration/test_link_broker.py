"""The link against a real mosquitto: mutual TLS, per-node ACL, kill -9, wiped data, forged and malformed orders, streams."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lightkube.models.core_v1 import Pod
from lightkube.models.meta_v1 import ObjectMeta
from prometheus_client import CollectorRegistry

from agent.checkpoint.checkpoint import Checkpoint
from agent.desired import DesiredState
from agent.link.link import Link, LinkParts
from agent.link.outbox import Outbox
from agent.link.receiver import NodeIdentity, Receiver
from agent.link.rejections import Rejections
from proto.messages import (
    EventReport,
    Hello,
    Leader,
    NodeOrder,
    Offline,
    PodStatusReport,
    StreamClose,
    StreamFrame,
    StreamOpen,
    encode,
)
from proto.mqtt_session import BrokerEndpoint
from proto.sealing import generate_key, public_key
from proto.signing import Signer, Verifier
from proto.stream import Stream, StreamBroken
from tests.integration.link_broker import Master, Mosquitto, entry, eventually, master_on, mosquitto_in, pod, user_of

pytestmark = pytest.mark.broker

NODE = "n1"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with mosquitto_in(folder) as mosquitto:
        yield mosquitto


@pytest.fixture
def signer() -> Signer:
    return Signer(Signer.generate())


@dataclass
class Agent:
    """The agent's side of the wire, wired as the app wires it."""

    desired: DesiredState
    receiver: Receiver
    outbox: Outbox
    rejections: Rejections
    link: Link
    checkpoint: Checkpoint
    sealing_key: bytes


#: Streams whose handlers saw them break, by id.
BROKEN: list[str] = []


def run_of(master: Master) -> str:
    """What the agent called its run in its hello."""
    hello = master.heard("hello")[-1]
    assert isinstance(hello, Hello)
    return hello.run


async def echo(request: StreamOpen, stream: Stream) -> None:
    if request.options.get("wait"):
        try:
            await stream.read()
        except StreamBroken:
            BROKEN.append(request.id)
            raise
    if request.options.get("fail"):
        raise RuntimeError("a bug in the handler")
    async for frame in stream.frames():
        await stream.write(1, frame.data.upper())
        if frame.eof:
            return


@contextlib.asynccontextmanager
async def agent_on(broker: Mosquitto, signer: Signer, folder: Path, sealing_key: bytes = b"") -> AsyncIterator[Agent]:
    certificate, key = broker.authority.issue(user_of(NODE))
    sealing_key = sealing_key or generate_key()
    identity = NodeIdentity(NODE, broker.topics, Verifier(signer.public_key), sealing_key)
    desired, outbox, registry = DesiredState(), Outbox(NODE), CollectorRegistry()
    rejections = Rejections(registry)

    async def node_object() -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}

    async with Checkpoint(folder) as checkpoint:
        receiver = Receiver(identity=identity, desired=desired, checkpoint=checkpoint, rejections=rejections)
        await receiver.restore()
        link = Link(
            LinkParts(
                identity=identity,
                broker=BrokerEndpoint("127.0.0.1", broker.port, user_of(NODE), certificate, key, broker.authority.ca),
                receiver=receiver,
                outbox=outbox,
                desired=desired,
                rejections=rejections,
                node_object=node_object,
                handle_stream=echo,
                sealing_public_key=public_key(sealing_key),
                boot_id="boot",
            ),
            registry=registry,
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run())
            try:
                yield Agent(desired, receiver, outbox, rejections, link, checkpoint, sealing_key)
            finally:
                running.cancel()


def status_of(uid: str) -> Pod:
    return Pod(metadata=ObjectMeta(name="a", namespace="default", uid=uid))


async def test_orders_reach_the_desired_state_and_are_on_disk(broker: Mosquitto, signer: Signer, tmp_path: Path) -> None:
    await broker.start()
    async with master_on(broker, NODE, signer) as master, agent_on(broker, signer, tmp_path / "c") as agent:
        await eventually(lambda: master.heard("hello"))
        hello = master.heard("hello")[0]
        assert isinstance(hello, Hello)
        assert hello.sealing_key == public_key(agent.sealing_key)
        await master.publish(
            broker.topics.node_order(NODE),
            NodeOrder(pod_cidr="10.244.1.0/24", cluster_cidr="", service_cidr="", cluster_dns="", cluster_domain=""),
            revision=1,
        )
        secret = {
            "metadata": {"name": "s", "namespace": "default", "uid": "su"},
            "data": {"password": "Y2FuYXJ5LXNlY3JldA=="},
        }
        await master.order("secrets", secret, revision=2, seal_to=hello.sealing_key)
        await master.order("pods", pod("a", "u1"), revision=3)
        await eventually(lambda: agent.desired.pods and agent.desired.secrets and agent.desired.node)
        assert agent.desired.secrets["default", "s"].data == {"password": "Y2FuYXJ5LXNlY3JldA=="}
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "c").rglob("*") if file.is_file())
    assert b"busybox" in on_disk
    assert b"Y2FuYXJ5" not in on_disk
    broker.kill()
    async with agent_on(broker, signer, tmp_path / "c", agent.sealing_key) as cold:
        assert set(cold.desired.pods) == {"u1"}
        assert cold.desired.secrets["default", "s"].data == {"password": "Y2FuYXJ5LXNlY3JldA=="}
        assert cold.desired.node is not None
        assert cold.checkpoint.writes == 0


async def test_killed_and_wiped_broker_removes_nothing(broker: Mosquitto, signer: Signer, tmp_path: Path) -> None:
    await broker.start()
    async with agent_on(broker, signer, tmp_path / "c") as agent:
        async with master_on(broker, NODE, signer) as master:
            for number in range(5):
                await master.order("pods", pod(f"p{number}", f"u{number}"), revision=10 + number)
            await eventually(lambda: len(agent.desired.pods) == 5)
            broker.kill()
        broker.wipe()
        agent.outbox.pod_status(status_of("u0"), {"phase": "Running"})
        agent.outbox.event(None, "Normal", "Starting", "kubelet starts")
        await eventually(lambda: agent.link.problem)
        await broker.start()
        async with master_on(broker, NODE, signer) as master:
            await eventually(lambda: master.heard("pods") and master.heard("events") and master.heard("hello"), seconds=20)
            report, event = master.heard("pods")[0], master.heard("events")[0]
            assert isinstance(report, PodStatusReport)
            assert report.status == {"phase": "Running"}
            assert isinstance(event, EventReport)
            assert event.event["reason"] == "Starting"
            hello = master.heard("hello")[0]
            assert isinstance(hello, Hello)
            assert {entry.uid for entry in hello.inventory} == {f"u{number}" for number in range(5)}
            assert len(agent.desired.pods) == 5
            writes = agent.checkpoint.writes
            for number in range(5):
                await master.order("pods", pod(f"p{number}", f"u{number}"), revision=10 + number)
            await master.order("pods", pod("late", "u9"), revision=20)
            await eventually(lambda: "u9" in agent.desired.pods)
            assert agent.checkpoint.writes == writes + 1


async def test_forged_stale_and_malformed_orders_are_ignored(broker: Mosquitto, signer: Signer, tmp_path: Path) -> None:
    await broker.start()
    async with master_on(broker, NODE, signer, epoch=5) as master, agent_on(broker, signer, tmp_path / "c") as agent:
        payload = await master.order("pods", pod("a", "u1", image="good"), revision=10)
        await eventually(lambda: "u1" in agent.desired.pods)
        master.signer = Signer(Signer.generate())
        await master.order("pods", pod("a", "u1", image="evil"), revision=11)
        await master.order("pods", None, revision=12, name="a", uid="u1")
        await master.index([], revision=13)
        master.signer = signer
        await master.raw(broker.topics.node_object(NODE, "pods", "default", "u2"), payload)  # replayed on another topic
        for junk in (b"junk", b"\xc1", b"\x97" * 1000, b"", encode(Leader(identity="x")).pack()):
            await master.raw(broker.topics.node_object(NODE, "pods", "default", "u1"), junk)
            await master.raw(broker.topics.leader, junk)
            await master.raw(broker.topics.stream_down(NODE, "s1"), junk, retain=False)
        master.epoch = 4
        await master.order("pods", pod("a", "u1", image="old"), revision=14)
        master.epoch = 5
        await master.order("pods", pod("b", "u3"), revision=15)
        await eventually(lambda: "u3" in agent.desired.pods)
        assert set(agent.desired.pods) == {"u1", "u3"}
        spec = agent.desired.pods["u1"].spec
        assert spec is not None
        assert spec.containers[0].image == "good"
        assert agent.rejections.count("forged") >= 4
        assert agent.rejections.count("malformed") >= 6
        assert agent.rejections.count("stale") >= 1


async def test_tombstone_and_signed_index_end_pods_and_absence_does_not(
    broker: Mosquitto, signer: Signer, tmp_path: Path
) -> None:
    await broker.start()
    async with master_on(broker, NODE, signer) as master, agent_on(broker, signer, tmp_path / "c") as agent:
        pods = [pod(f"p{number}", f"u{number}") for number in range(4)]
        for number, value in enumerate(pods):
            await master.order("pods", value, revision=10 + number)
        await eventually(lambda: len(agent.desired.pods) == 4)
        await master.raw(broker.topics.node_object(NODE, "pods", "default", "u0"), b"")
        await master.order("pods", None, revision=20, name="p1", uid="u1")
        await eventually(lambda: "u1" not in agent.desired.pods)
        assert set(agent.desired.pods) == {"u0", "u2", "u3"}
        await master.index([entry(pods[0], "pods", 10), entry(pods[2], "pods", 12)], revision=21)
        await eventually(lambda: set(agent.desired.pods) == {"u0", "u2"})
        await eventually(lambda: agent.desired.listed_pods == frozenset({"u0", "u2"}))


async def test_what_an_index_lists_and_the_node_lacks_is_asked_for(broker: Mosquitto, signer: Signer, tmp_path: Path) -> None:
    await broker.start()
    async with master_on(broker, NODE, signer) as master, agent_on(broker, signer, tmp_path / "c"):
        await eventually(lambda: len(master.heard("hello")) == 1)
        await master.index([entry(pod("a", "u1"), "pods", 10)], revision=11)
        await eventually(lambda: len(master.heard("hello")) >= 2)


async def test_a_new_leader_is_greeted_and_told_everything(broker: Mosquitto, signer: Signer, tmp_path: Path) -> None:
    await broker.start()
    async with master_on(broker, NODE, signer) as master, agent_on(broker, signer, tmp_path / "c") as agent:
        agent.outbox.pod_status(status_of("u1"), {"phase": "Running"})
        await eventually(lambda: master.heard("pods") and master.heard("hello"))
        reports, hellos = len(master.heard("pods")), len(master.heard("hello"))
        master.epoch = 2
        await master.publish(broker.topics.leader, Leader(identity="m2"))
        await eventually(lambda: len(master.heard("hello")) > hellos and len(master.heard("pods")) > reports)
        assert master.seen[-1].envelope.epoch == 2


async def test_streams_echo_fail_alone_and_need_a_signature(broker: Mosquitto, signer: Signer, tmp_path: Path) -> None:
    await broker.start()
    async with master_on(broker, NODE, signer) as master, agent_on(broker, signer, tmp_path / "c") as agent:
        await eventually(lambda: master.heard("hello"))
        topic, run = broker.topics.stream_down(NODE, "s1"), run_of(master)
        await master.publish(topic, StreamOpen(id="s1", kind="exec", run=run), retain=False)
        await master.publish(topic, StreamFrame(sequence=0, channel=0, data=b"hi"), retain=False)
        await master.publish(topic, StreamFrame(sequence=0, channel=0, data=b"hi"), retain=False)
        await master.publish(topic, StreamFrame(sequence=1, channel=0, data=b"you", eof=True), retain=False)
        await eventually(lambda: any(isinstance(message, StreamClose) for message in master.heard("streams/s1")))
        frames = [message for message in master.heard("streams/s1") if isinstance(message, StreamFrame)]
        assert [frame.data for frame in frames] == [b"HI", b"YOU"]
        bad = broker.topics.stream_down(NODE, "s2")
        await master.publish(bad, StreamOpen(id="s2", kind="exec", options={"fail": True}, run=run), retain=False)
        await eventually(lambda: master.heard("streams/s2"))
        close = master.heard("streams/s2")[0]
        assert isinstance(close, StreamClose)
        assert close.code == 500
        unsigned = encode(StreamOpen(id="s3", kind="exec", run=run)).pack()
        await master.raw(broker.topics.stream_down(NODE, "s3"), unsigned, retain=False)
        await eventually(lambda: agent.rejections.count("forged") == 1)
        assert not master.heard("streams/s3")


async def test_streams_break_when_the_session_does_and_an_id_is_used_once(
    broker: Mosquitto, signer: Signer, tmp_path: Path
) -> None:
    await broker.start()
    BROKEN.clear()
    async with agent_on(broker, signer, tmp_path / "c") as agent:
        async with master_on(broker, NODE, signer) as master:
            await eventually(lambda: master.heard("hello"))
            topic = broker.topics.stream_down(NODE, "w1")
            opened = StreamOpen(id="w1", kind="logs", options={"wait": True}, run=run_of(master))
            recorded = await master.publish(topic, opened, retain=False)
            await master.raw(topic, recorded, retain=False)
            await eventually(lambda: agent.rejections.count("stale") == 1)
            broker.kill()
        await eventually(lambda: BROKEN == ["w1"])
        await broker.start()
        async with master_on(broker, NODE, signer) as master:
            await eventually(lambda: master.heard("hello"), seconds=20)
            await master.raw(topic, recorded, retain=False)
            await eventually(lambda: agent.rejections.count("stale") == 2)
    assert BROKEN == ["w1"]


async def test_goodbye_is_orderly_and_a_killed_node_leaves_its_will(broker: Mosquitto, signer: Signer, tmp_path: Path) -> None:
    await broker.start()
    async with master_on(broker, NODE, signer) as master:
        async with agent_on(broker, signer, tmp_path / "c"):
            await eventually(lambda: master.heard("heartbeat"))
        await eventually(lambda: master.heard("offline"))
        goodbye = master.heard("offline")[0]
        assert isinstance(goodbye, Offline)
        assert goodbye.orderly
        await asyncio.sleep(0.5)
        assert len(master.heard("offline")) == 1
