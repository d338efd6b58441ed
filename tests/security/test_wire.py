"""Orders, pods' tokens and streams on the wire: recorded, swapped, forged and flooded, against the real receiver and broker.

What a broker that was taken over can do at most: keep messages back. Who may write where at all: test_broker_identities.
"""

import base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agent.link import streams as agent_streams
from agent.link.streams import StreamIds
from master.fleet.liveness import Liveness
from master.fleet.streams import FleetStreams
from proto import sealing
from proto.delivery import Delivery
from proto.envelope import Envelope
from proto.messages import Message, ObjectOrder, StreamClose, StreamCredit, StreamFrame, StreamOpen
from proto.sealing import seal_object
from proto.signing import Signer
from proto.stream import StreamBroken
from proto.topics import Topics
from tests.integration.link_broker import Mosquitto, eventually, master_on, mosquitto_in
from tests.integration.test_link_broker import NODE as LINKED
from tests.integration.test_link_broker import agent_on, run_of
from tests.unit.agent.link.orders import (
    NODE,
    SEALING_KEY,
    TOPICS,
    Node,
    index_with_tokens,
    manifest,
    node_in,
    order,
    signed,
    tokens,
    tombstone,
)

CANARY = "canary-token-8b1f"


def token_of(node: Node, pod: str) -> str | None:
    """The content of a pod's tokens as the kubelet would mount them."""
    secret = node.desired.secrets.get(("", pod))
    return (secret.metadata.labels or {})["mark"] if secret is not None and secret.metadata is not None else None


def moved(delivery: Delivery, topic: str) -> Delivery:
    """A recorded order on another topic."""
    return Delivery(topic, delivery.payload, delivery.retained)


# ── pods' tokens and secrets ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_pods_tokens_serve_no_other_pod_node_or_resource(tmp_path: Path) -> None:
    other = Topics("test")
    async with node_in(tmp_path) as node:
        recorded = tokens("p", 1, 5, mark=CANARY)
        for topic in (
            TOPICS.node_object(NODE, "secrets", "", "q"),
            TOPICS.node_object(NODE, "secrets", "default", "p"),
            TOPICS.node_object(NODE, "configmaps", "", "p"),
            other.node_object("n2", "secrets", "", "p"),
            Topics("elsewhere").node_object(NODE, "secrets", "", "p"),
            TOPICS.shared_object("services", "default", "p"),
        ):
            await node.receiver.receive([moved(recorded, topic)])
        assert not node.desired.secrets
        assert not node.desired.config_maps
        await node.receiver.receive([recorded])
        assert token_of(node, "p") == CANARY


async def test_sealed_tokens_under_the_masters_own_signature_serve_no_other_topic(tmp_path: Path) -> None:
    """Also a master that is fooled into signing them for another pod gives nothing away: the topic is sealed in."""
    value = manifest("secrets", "p", "p", CANARY)
    sealed = seal_object(value, sealing.public_key(SEALING_KEY), TOPICS.node_object(NODE, "secrets", "", "p"))
    async with node_in(tmp_path) as node:
        topic = TOPICS.node_object(NODE, "secrets", "", "q")
        message = ObjectOrder(resource="secrets", namespace="", name="q", sealed=sealed)
        await node.receiver.receive([signed(topic, message, 1, 5, uid="q")])
        assert token_of(node, "q") is None
        assert node.rejections.count("unsealable") == 1


async def test_another_nodes_key_opens_nothing(tmp_path: Path) -> None:
    async with node_in(tmp_path, sealing_key=sealing.generate_key()) as node:
        await node.receiver.receive([tokens("p", 1, 5, mark=CANARY)])
        assert not node.desired.secrets


async def test_older_tokens_and_those_of_an_older_leader_never_come_back(tmp_path: Path) -> None:
    old, older_leader = tokens("p", 2, 5, mark="old"), tokens("p", 1, 99, mark="older leader")
    async with node_in(tmp_path) as node:
        await node.receiver.receive([old, tokens("p", 2, 6, mark="new")])
        for replayed in (old, older_leader, replace(old, retained=True)):
            await node.receiver.receive([replayed])
            assert token_of(node, "p") == "new"
    async with node_in(tmp_path) as node:
        await node.receiver.receive([old, older_leader])
        assert token_of(node, "p") in ("old", "new")  # what is on disk may be a day old; the older leader's never is
        await node.receiver.receive([tokens("p", 3, 7, mark="newest"), tokens("p", 2, 8, mark="deposed")])
        assert token_of(node, "p") == "newest"


async def test_an_ended_pod_is_not_brought_back_by_its_recorded_orders(tmp_path: Path) -> None:
    pod, token = order("pods", "p", 1, 5), tokens("p", 1, 5, mark=CANARY)
    async with node_in(tmp_path) as node:
        await node.receiver.receive([pod, token, index_with_tokens("p", 1, 5, newest=5)])
        await node.receiver.receive([tombstone("pods", "p", 1, 6)])
        assert "p" not in node.desired.pods
        await node.receiver.receive([pod, replace(pod, retained=True)])
        assert "p" not in node.desired.pods
    async with node_in(tmp_path) as node:
        await node.receiver.receive([pod, replace(pod, retained=True)])
        assert "p" not in node.desired.pods, "nor after the agent has started again"


async def test_nothing_of_a_signed_order_can_be_exchanged(tmp_path: Path) -> None:
    recorded, other = tokens("p", 1, 5, mark="mine"), tokens("q", 1, 9, mark=CANARY)
    mine, theirs = Envelope.unpack(recorded.payload), Envelope.unpack(other.payload)
    stranger = Signer(Signer.generate())
    forged = [
        replace(mine, epoch=9),
        replace(mine, revision=9),
        replace(mine, uid="q"),
        replace(mine, kind="DesiredIndex"),
        replace(mine, body=theirs.body),
        replace(mine, signature=theirs.signature),
        replace(mine, signature=b""),
        replace(mine, signature=bytes(64)),
        stranger.sign(replace(mine, revision=9), recorded.topic),
    ]
    async with node_in(tmp_path) as node:
        await node.receiver.receive([Delivery(recorded.topic, envelope.pack(), retained=False) for envelope in forged])
        assert not node.desired.secrets
        assert node.rejections.count("forged") == len(forged)


def disk(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_tokens_lie_sealed_on_the_nodes_disk(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([tokens("p", 1, 5, mark=CANARY), order("secrets", "s", 1, 5, mark=CANARY, seal=True)])
        assert token_of(node, "p") == CANARY
    forms = (CANARY.encode(), base64.b64encode(CANARY.encode())[:-2], CANARY.encode().hex().encode())
    written = b"".join(disk(tmp_path))
    assert len(written) > 100
    assert not any(form in written for form in forms)


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with mosquitto_in(folder) as mosquitto:
        yield mosquitto


@pytest.mark.broker
async def test_a_recorded_exec_runs_once_also_when_the_agent_starts_again(broker: Mosquitto, tmp_path: Path) -> None:
    signer = Signer(Signer.generate())
    await broker.start()
    topic = broker.topics.stream_down(LINKED, "s1")
    async with master_on(broker, LINKED, signer) as master:
        async with agent_on(broker, signer, tmp_path / "c") as agent:
            await eventually(lambda: master.heard("hello"))
            recorded = [
                await master.publish(topic, StreamOpen(id="s1", kind="exec", run=run_of(master)), retain=False),
                await master.publish(topic, StreamFrame(sequence=0, channel=0, data=b"rm", eof=True), retain=False),
            ]
            await eventually(lambda: any(isinstance(one, StreamClose) for one in master.heard("streams/s1")))
            said = len(master.heard("streams/s1"))
            for payload in recorded:
                await master.raw(topic, payload, retain=False)
            await eventually(lambda: agent.rejections.count("stale") == 2)
            # Not even on the topic of another stream.
            await master.raw(broker.topics.stream_down(LINKED, "s2"), recorded[0], retain=False)
            await eventually(lambda: agent.rejections.count("forged") == 1)
            hellos = len(master.heard("hello"))
        async with agent_on(broker, signer, tmp_path / "c") as agent:
            await eventually(lambda: len(master.heard("hello")) > hellos)
            for payload in recorded:
                await master.raw(topic, payload, retain=False)
            await eventually(lambda: agent.rejections.count("stale") == 2)
            assert len(master.heard("streams/s1")) == said, "nothing ran"
            # A broker may keep it, and hand it out again as something new.
            await master.raw(topic, recorded[0], retain=True)
            await eventually(lambda: agent.rejections.count("stale") == 3)


def test_a_stream_is_opened_once_however_many_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_streams, "MAX_REMEMBERED", 10)
    ids = StreamIds()
    opened = [StreamOpen(id=f"s{number}", kind="exec", run=ids.run, number=number) for number in range(100)]
    assert all(ids.use(request) for request in opened)
    assert not any(ids.use(request) for request in opened)
    assert not ids.use(StreamOpen(id="other", kind="exec", run="", number=1000))
    assert not ids.use(StreamOpen(id="other", kind="exec", run=StreamIds().run, number=1000))
    assert ids.use(StreamOpen(id="other", kind="exec", run=ids.run, number=1000))


class Wire:
    """What the master published."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []

    async def send(self, topic: str, message: Message, assured: bool) -> None:
        self.sent.append((topic, message))


def master_streams(*nodes: str) -> tuple[FleetStreams, Wire]:
    liveness, wire = Liveness(), Wire()
    streams = FleetStreams(TOPICS, liveness, wire.send)
    for node in nodes:
        liveness.heard(node)
        streams.greeted(node, f"run of {node}")
    return streams, wire


async def test_a_node_reaches_no_stream_of_another_whatever_id_it_names() -> None:
    streams, wire = master_streams("n1", "n2")
    stream = await streams.open("n1", StreamOpen(id="", kind="exec"))
    opened = wire.sent[0][1]
    assert isinstance(opened, StreamOpen)
    assert (len(opened.id), opened.run) == (32, "run of n1")
    for message in (StreamFrame(sequence=0, channel=1, data=b"forged"), StreamCredit(bytes=1 << 40), StreamClose(error="x")):
        await streams.deliver("n2", opened.id, message)
    assert not stream.closed
    await streams.deliver("n1", opened.id, StreamFrame(sequence=0, channel=1, data=b"mine"))
    frame = await stream.read()
    assert frame is not None
    assert frame.data == b"mine"


async def test_a_node_that_floods_streams_that_are_not_open_gets_few_answers() -> None:
    streams, wire = master_streams("n1")
    for number in range(5_000):
        await streams.deliver("n1", f"forged{number}", StreamFrame(sequence=0, channel=1, data=b"x"))
    assert 1 <= len(wire.sent) <= 200  # 20 a second
    before = len(wire.sent)
    await streams.deliver("n2", "old", StreamFrame(sequence=0, channel=1, data=b"x"))
    assert len(wire.sent) == before + 1, "another node is still told to stop"


async def test_a_node_that_sends_more_than_it_was_granted_loses_its_stream_and_no_memory() -> None:
    streams, wire = master_streams("n1")
    stream = await streams.open("n1", StreamOpen(id="", kind="logs"))
    opened = wire.sent[0][1]
    assert isinstance(opened, StreamOpen)
    for sequence in range(10_000):
        await streams.deliver("n1", opened.id, StreamFrame(sequence=sequence, channel=1, data=bytes(32 * 1024)))
    assert stream.closed
    held = 0
    with suppress(StreamBroken):
        async for frame in stream.frames():
            held += len(frame.data)
    assert held <= 2 << 20


async def test_the_name_that_a_node_gives_its_run_is_bounded() -> None:
    streams, wire = master_streams("n1")
    streams.greeted("n1", "x" * 1_000_000)
    await streams.open("n1", StreamOpen(id="", kind="logs"))
    opened = wire.sent[0][1]
    assert isinstance(opened, StreamOpen)
    assert opened.run == "run of n1"
