"""The master's own mosquitto: what it lets through, and that it comes back."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest
from aiomqtt import Client, ProtocolVersion
from cryptography.hazmat.primitives.serialization import Encoding

from master.broker.process import Broker, BrokerError
from master.pki import cluster
from master.pki.authority import generate_key, key_to_pem
from master.pki.cluster import ClusterPki, KeyPair
from master.settings import BrokerSettings
from proto.topics import Topics, node_user
from tests.ports import free_port

pytestmark = pytest.mark.broker


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user mosquitto can reach, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="wherry-broker-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def pki(folder: Path) -> ClusterPki:
    return cluster.prepare(folder / "pki", server_names=["localhost"], broker_names=["localhost", "127.0.0.1"])[0]


@asynccontextmanager
async def running(broker: Broker) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(broker.run())
        try:
            async with asyncio.timeout(10):
                await broker.wait_ready()
            yield task
        finally:
            task.cancel()


def client(pki: ClusterPki, port: int, pair: KeyPair, identifier: str = "", will: aiomqtt.Will | None = None) -> Client:
    context = ssl.create_default_context(cafile=str(pki.ca_path))
    context.load_cert_chain(pair.certificate, pair.key)
    return Client(
        "127.0.0.1", port, identifier=identifier, tls_context=context, protocol=ProtocolVersion.V5, timeout=3, will=will
    )


def node_pair(pki: ClusterPki, folder: Path, node: str) -> KeyPair:
    key = generate_key()
    certificate = pki.authority.issue_client(key.public_key(), node_user(node), ["system:nodes"])
    pair = KeyPair(folder / f"{node}.crt", folder / f"{node}.key")
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    pair.key.write_bytes(key_to_pem(key))
    return pair


def owner_of(pid: int | None) -> int | None:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except FileNotFoundError:
        return None


async def received(session: Client, seconds: float = 0.4) -> list[str]:
    topics: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for message in session.messages:
                topics.append(str(message.topic))
    return topics


async def test_a_node_reads_and_writes_its_own_topics_only(folder: Path, pki: ClusterPki) -> None:
    topics, port = Topics(pki.cluster_id), free_port()
    async with (
        running(Broker(folder / "broker", BrokerSettings(port=port), pki, topics)),
        client(pki, port, pki.broker_client) as master,
        client(pki, port, node_pair(pki, folder, "n1")) as n1,
        client(pki, port, node_pair(pki, folder, "n2")) as n2,
    ):
        await master.subscribe("#", qos=1)
        await n1.subscribe("#", qos=1)
        await n1.subscribe(topics.node_filter("n2"), qos=1)
        await n1.subscribe(topics.up_filter, qos=1)
        await n1.subscribe(topics.node_filter("n1"), qos=1)
        await n1.subscribe(topics.shared_filter, qos=1)
        await master.publish(topics.node_order("n1"), b"1", qos=1, retain=True)
        await master.publish(topics.node_order("n2"), b"2", qos=1, retain=True)
        await master.publish(topics.leader, b"3", qos=1, retain=True)
        await n2.publish(topics.up("n2", "heartbeat"), b"4", qos=1)
        with suppress(aiomqtt.MqttError):
            await n2.publish(topics.up("n1", "heartbeat"), b"forged", qos=1)
        with suppress(aiomqtt.MqttError):
            await n2.publish(topics.node_order("n1"), b"forged", qos=1)
        assert set(await received(n1)) == {topics.node_order("n1"), topics.leader}
        assert topics.up("n1", "heartbeat") not in await received(master)


async def test_a_client_id_cannot_be_taken_from_another(folder: Path, pki: ClusterPki) -> None:
    topics, port = Topics(pki.cluster_id), free_port()
    async with (
        running(Broker(folder / "broker", BrokerSettings(port=port), pki, topics)),
        client(pki, port, node_pair(pki, folder, "n1")) as n1,
    ):
        await n1.subscribe(topics.node_filter("n1"), qos=1)
        # n2 claims n1's client id: the broker must bind it to n2's certificate, and leave n1 connected.
        with suppress(aiomqtt.MqttError):
            async with client(pki, port, node_pair(pki, folder, "n2"), identifier=node_user("n1")):
                pass
        async with client(pki, port, pki.broker_client) as master:
            await master.publish(topics.node_order("n1"), b"1", qos=1)
        assert await received(n1) == [topics.node_order("n1")]


async def test_nobody_enters_without_a_certificate_of_the_cluster(folder: Path, pki: ClusterPki) -> None:
    port = free_port()
    stranger, _ = cluster.prepare(folder / "other", server_names=["localhost"], broker_names=["localhost"])
    async with running(Broker(folder / "broker", BrokerSettings(port=port), pki, Topics(pki.cluster_id))):
        with pytest.raises(aiomqtt.MqttError):
            async with client(pki, port, stranger.broker_client):
                pass
        anonymous = ssl.create_default_context(cafile=str(pki.ca_path))
        with pytest.raises(aiomqtt.MqttError):
            async with Client("127.0.0.1", port, tls_context=anonymous, protocol=ProtocolVersion.V5, timeout=3):
                pass


async def test_a_killed_broker_is_started_again(folder: Path, pki: ClusterPki) -> None:
    broker = Broker(folder / "broker", BrokerSettings(port=free_port()), pki, Topics(pki.cluster_id))
    async with running(broker):
        first = broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        for _ in range(200):
            if broker.pid not in (first, None) and broker.ready:
                break
            await asyncio.sleep(0.05)
        assert broker.restarts == 1


async def test_a_broker_left_by_a_killed_master_is_replaced(folder: Path, pki: ClusterPki) -> None:
    port = free_port()
    broker = Broker(folder / "broker", BrokerSettings(port=port), pki, Topics(pki.cluster_id))
    async with running(broker):
        pass
    orphan = await asyncio.create_subprocess_exec(
        shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or "mosquitto",
        "-c",
        str(folder / "broker" / "mosquitto.conf"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    (folder / "broker" / "pid").write_text(f"{orphan.pid}\n")
    async with running(broker):
        assert await orphan.wait() is not None
        assert broker.pid != orphan.pid


async def test_a_pid_file_of_another_program_harms_nobody(folder: Path, pki: ClusterPki) -> None:
    (folder / "broker").mkdir()
    (folder / "broker" / "pid").write_text(f"{os.getpid()}\n")
    async with running(Broker(folder / "broker", BrokerSettings(port=free_port()), pki, Topics(pki.cluster_id))):
        pass


async def test_a_port_in_use_is_named(folder: Path, pki: ClusterPki) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"broker\.port {port} is in use"):
            await Broker(folder / "broker", BrokerSettings(port=port), pki, Topics(pki.cluster_id)).run()


async def test_a_missing_mosquitto_is_named(folder: Path, pki: ClusterPki) -> None:
    settings = BrokerSettings(port=free_port(), program="no-such-mosquitto")
    with pytest.raises(BrokerError, match="no-such-mosquitto is not installed"):
        await Broker(folder / "broker", settings, pki, Topics(pki.cluster_id)).run()


async def test_the_broker_runs_without_root_and_leaves_no_process(folder: Path, pki: ClusterPki) -> None:
    broker = Broker(folder / "broker", BrokerSettings(port=free_port()), pki, Topics(pki.cluster_id))
    async with running(broker):
        pid = broker.pid
        assert owner_of(pid) not in (0, None)
    assert owner_of(pid) is None


async def test_a_start_warns_of_nothing(folder: Path, pki: ClusterPki, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "master.broker")
    broker = Broker(folder / "broker", BrokerSettings(port=free_port(), address="127.0.0.1"), pki, Topics(pki.cluster_id))
    async with running(broker):
        await asyncio.sleep(0.2)
    said = [record.getMessage() for record in caplog.records]
    assert not [line for line in said if "Warning" in line]
