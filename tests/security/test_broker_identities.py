"""What a certificate of the cluster is good for at the real broker, under the configuration that the master writes for it."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest
from aiomqtt import Client, Will
from cryptography.hazmat.primitives.serialization import Encoding

from master.broker.process import Broker
from master.pki import cluster
from master.pki.authority import generate_key, key_to_pem
from master.pki.cluster import ClusterPki, KeyPair
from master.settings import BrokerSettings
from proto.topics import Topics, node_user
from tests.integration.test_broker import client, node_pair, running
from tests.ports import free_port

pytestmark = pytest.mark.broker

#: Of the victim, "n2": all that is published for it, by it, and to the cluster.
STREAM = "0123456789abcdef"


@dataclass
class World:
    """A running broker, its master's session, and who may have a certificate."""

    folder: Path
    pki: ClusterPki
    topics: Topics
    port: int
    master: Client

    def pair(self, user: str, *groups: str) -> KeyPair:
        key = generate_key()
        certificate = self.pki.authority.issue_client(key.public_key(), user, groups)
        stem = self.folder / user.encode().hex()[:60]
        pair = KeyPair(stem.with_suffix(".crt"), stem.with_suffix(".key"))
        pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        pair.key.write_bytes(key_to_pem(key))
        return pair

    def node(self, name: str, will: Will | None = None) -> Client:
        return client(self.pki, self.port, node_pair(self.pki, self.folder, name), will=will)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user mosquitto can reach, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="wherry-broker-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    pki = cluster.prepare(folder / "pki", server_names=["localhost"], broker_names=["localhost", "127.0.0.1"])[0]
    topics, port = Topics(pki.cluster_id), free_port()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(Broker(folder / "broker", BrokerSettings(port=port), pki, topics)))
        master = await stack.enter_async_context(client(pki, port, pki.broker_client))
        await master.subscribe("#", qos=1)
        yield World(folder, pki, topics, port, master)


def private_topics(topics: Topics, node: str) -> list[str]:
    """What is published for one node, by it or by the master."""
    return [
        topics.node_leader(node),
        topics.node_order(node),
        topics.node_index(node),
        topics.node_object(node, "pods", "default", "some-uid"),
        topics.node_object(node, "secrets", "default", "s"),
        topics.node_object(node, "secrets", "", "some-uid"),
        topics.node_object(node, "configmaps", "default", "c"),
        topics.stream_down(node, STREAM),
        *(topics.up(node, what) for what in ("hello", "heartbeat", "offline", "status", "pods", "events")),
        topics.stream_up(node, STREAM),
    ]


def written_by_the_master(topics: Topics) -> list[str]:
    return [
        topics.leader,
        topics.shared_index,
        *(topics.shared_object(resource, "default", "x") for resource in ("services", "endpointslices")),
        topics.shared_object("nodes", "", "n1"),
    ]


def greedy_filters(topics: Topics) -> list[str]:
    """Subscriptions that cover what is another's."""
    base = topics.leader.removesuffix("/shared/leader")
    plain = [
        "#",
        "+/#",
        "wherry/#",
        "wherry/+/#",
        f"{base}/#",
        f"{base}/+/#",
        f"{base}/nodes/#",
        f"{base}/nodes/+/#",
        f"{base}/nodes/+/down/#",
        f"{base}/nodes/+/up/#",
        f"{base}/nodes/+/down/objects/secrets/+/+",
        f"{base}/nodes/+/+/streams/+",
        f"{base}/nodes/{node_user('n1')}/#",
        f"{base}/nodes/{node_user('n1')}/up/#",
        topics.up_filter,
        topics.node_filter("n2"),
        "$SYS/#",
        "$CONTROL/#",
        "$CONTROL/dynamic-security/v1/response",
        *private_topics(topics, "n2"),
    ]
    return [*plain, *(f"$share/thief/{one}" for one in plain if not one.startswith("$"))]


async def heard(session: Client, seconds: float = 0.5) -> list[str]:
    found: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for message in session.messages:
                found.append(str(message.topic))
    return found


async def test_a_stolen_node_certificate_reads_nothing_of_another(world: World) -> None:
    topics, filters = world.topics, greedy_filters(world.topics)
    assert len(filters) > 50
    kept = topics.node_object("n2", "secrets", "default", "kept")
    await world.master.publish(kept, b"before", qos=1, retain=True)
    async with world.node("n1") as thief, world.node("n2") as victim:
        for one in filters:
            with suppress(aiomqtt.MqttError):
                await thief.subscribe(one, qos=1)
        for topic in (*private_topics(topics, "n2")[:8], *private_topics(topics, "n1")[:8]):
            await world.master.publish(topic, b"secret", qos=1, retain=True)
        for topic in private_topics(topics, "n2")[8:]:
            await victim.publish(topic, b"secret", qos=1)
        got = await heard(thief)
    own = topics.node_filter("n1").removesuffix("#")
    assert [topic for topic in got if not topic.startswith(own)] == []
    assert got, "it does hear what is its own"


async def test_a_stolen_node_certificate_writes_nothing_of_another_and_no_order(world: World) -> None:
    topics = world.topics
    base = topics.leader.removesuffix("/shared/leader")
    forbidden = [
        *private_topics(topics, "n2"),
        *private_topics(topics, "n1")[:8],
        *written_by_the_master(topics),
        "$SYS/broker/uptime",
        "$CONTROL/dynamic-security/v1",
        "anything",
        f"{base}/anything",
        f"{base}/nodes/n1/up/hello",
        f"{base}/nodes/{node_user('n1')}x/up/hello",
        f"{base}/nodes/{node_user('n1').upper()}/up/hello",
        f"wherry/other/nodes/{node_user('n1')}/up/hello",
    ]
    assert len(forbidden) > 30
    async with world.node("n1") as thief, world.node("n2") as victim:
        await victim.subscribe(topics.node_filter("n2"), qos=1)
        await victim.subscribe(topics.shared_filter, qos=1)
        for retain in (False, True):
            for topic in forbidden:
                with suppress(aiomqtt.MqttError):
                    await thief.publish(topic, b"forged", qos=1, retain=retain)
        await thief.publish(topics.up("n1", "heartbeat"), b"mine", qos=1)
        assert await heard(world.master) == [topics.up("n1", "heartbeat")]
        assert await heard(victim) == []
    async with world.node("n2") as victim:
        await victim.subscribe(topics.node_filter("n2"), qos=1)
        assert await heard(victim) == [], "nothing was kept either"


async def test_a_will_is_published_where_its_node_may_write_only(world: World) -> None:
    topics = world.topics
    for topic in (topics.up("n2", "offline"), topics.node_order("n2"), topics.leader):
        with suppress(aiomqtt.MqttError):
            async with world.node("n1", will=Will(topic, b"forged", qos=1, retain=True)) as thief:
                # Ends without a goodbye, so that the broker speaks for it.
                thief._client._sock_close()
    assert [topic for topic in await heard(world.master, 1.0) if topic != topics.up("n1", "offline")] == []


#: Names that the signers never give; the CA's own hand gives them here.
MADE_UP = (
    "+", "#", "system:node:+", "system:node:#", "system:node:n2/down/#", "system:node:n2/#", "system:node:+/down/objects",
    "../nodes/system:node:n2", "%u", "%c", "system:node:n2\u200b", "$share/x/#", "wherry-master/",
)  # fmt: skip
#: Users whose rights at the API end there.
USERS = ("kubernetes-admin", "system:kube-scheduler", "alice")


async def test_no_other_name_gives_anything_wildcards_and_separators_least(world: World) -> None:
    """CVE-2017-7650: a client's name stands in the broker's patterns."""
    topics = world.topics
    base = topics.leader.removesuffix("/shared/leader")
    forged = (*private_topics(topics, "n2"), *written_by_the_master(topics))
    thieves: list[Client] = []
    async with AsyncExitStack() as stack:
        victim = await stack.enter_async_context(world.node("n2"))
        for user in (*MADE_UP, *USERS):
            groups = ("system:masters",) if user in USERS else ("system:nodes",)
            with suppress(aiomqtt.MqttError):  # refusing it altogether is fine too
                thief = await stack.enter_async_context(client(world.pki, world.port, world.pair(user, *groups)))
                thieves.append(thief)
                for one in ("#", f"{base}/nodes/+/down/#", topics.up_filter, topics.node_filter("n2"), "$share/t/#"):
                    await thief.subscribe(one, qos=1)
                for topic in forged:
                    with suppress(aiomqtt.MqttError):
                        await thief.publish(topic, b"forged", qos=1)
        assert len(thieves) >= len(USERS)
        await world.master.publish(topics.node_object("n2", "secrets", "default", "s"), b"secret", qos=1, retain=True)
        await victim.publish(topics.up("n2", "hello"), b"secret", qos=1)
        assert set(await heard(world.master)) == {
            topics.up("n2", "hello"),
            topics.node_object("n2", "secrets", "default", "s"),
        }
        for thief in thieves:
            assert await heard(thief, 0.1) == []
