"""A real mosquitto with mutual TLS and the ACL of `proto.topics`, and a small master that signs orders."""

import asyncio
import contextlib
import datetime
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import aiomqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proto.envelope import Envelope
from proto.messages import DesiredIndex, IndexEntry, Message, ObjectOrder, decode, encode
from proto.sealing import seal_object
from proto.signing import Signer
from proto.topics import Topics, node_user
from tests.ports import free_port

CLUSTER = "test"
MASTER_USER = "master-0"


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
                    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )  # fmt: skip
        self.ca = folder / "ca.crt"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, user: str) -> tuple[Path, Path]:
        """A certificate and its key for a common name; good for 127.0.0.1 as a server too."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])
        certificate = (
            self._builder(name, key)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = user.replace(":", "_")
        paths = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return paths

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )


class Mosquitto:
    """One broker process that can be killed, wiped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.authority = Authority(folder)
        self.topics = Topics(CLUSTER)
        server_certificate, server_key = self.authority.issue("broker")
        self.data = folder / "data"
        acl = folder / "acl"
        acl.write_text("\n".join([*self.topics.acl_master(MASTER_USER), *self.topics.acl_patterns()]) + "\n")
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\ncafile {self.authority.ca}\ncertfile {server_certificate}\n"
            f"keyfile {server_key}\nrequire_certificate true\nuse_identity_as_username true\n"
            f"use_username_as_clientid true\nacl_file {acl}\nallow_anonymous false\npersistence true\n"
            f"persistence_location {self.data}/\nmax_queued_messages 0\nuser root\nlog_type error\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self.data.mkdir(exist_ok=True)
        binary = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        assert binary is not None
        self._process = subprocess.Popen([binary, "-c", str(self._config)])
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        shutil.rmtree(self.data)


@contextlib.contextmanager
def mosquitto_in(folder: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder)
    try:
        yield broker
    finally:
        broker.kill()


@dataclass
class Seen:
    """A message that came up from a node."""

    what: str
    envelope: Envelope
    message: Message


@dataclass
class Master:
    """Signs and publishes orders for one node, and collects what it says."""

    client: aiomqtt.Client
    topics: Topics
    node: str
    signer: Signer
    epoch: int = 1
    seen: list[Seen] = field(default_factory=list)

    async def order(
        self,
        resource: str,
        value: dict[str, Any] | None,
        *,
        revision: int,
        name: str = "",
        uid: str = "",
        namespace: str = "default",
        seal_to: bytes | None = None,
    ) -> bytes:
        """Publish an object's order (None: its tombstone) and return its payload."""
        if value is not None:
            name, uid = value["metadata"]["name"], value["metadata"]["uid"]
        topic = self.object_topic(resource, namespace, uid if resource == "pods" else name)
        sealed = seal_object(value, seal_to, topic) if seal_to is not None and value is not None else None
        message = ObjectOrder(
            resource=resource,
            namespace=namespace,
            name=name,
            object=None if sealed else value,
            sealed=sealed,
            removed=value is None,
        )
        return await self.publish(topic, message, revision=revision, uid=uid)

    def object_topic(self, resource: str, namespace: str, name: str) -> str:
        if resource in ("services", "endpointslices", "nodes"):
            return self.topics.shared_object(resource, namespace, name)
        return self.topics.node_object(self.node, resource, namespace, name)

    async def index(self, entries: list[IndexEntry], *, revision: int) -> None:
        await self.publish(self.topics.node_index(self.node), DesiredIndex(entries=entries), revision=revision)

    async def publish(self, topic: str, message: Message, *, revision: int = 0, uid: str = "", retain: bool = True) -> bytes:
        envelope = self.signer.sign(encode(message, epoch=self.epoch, revision=revision, uid=uid), topic)
        payload = envelope.pack()
        await self.raw(topic, payload, retain=retain)
        return payload

    async def raw(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        await self.client.publish(topic, payload, qos=1, retain=retain)

    async def collect(self) -> None:
        async for message in self.client.messages:
            parsed = self.topics.parse_up(str(message.topic))
            assert parsed is not None
            assert parsed[0] == self.node
            envelope = Envelope.unpack(bytes(message.payload))
            self.seen.append(Seen("/".join(part for part in parsed[1:] if part), envelope, decode(envelope)))

    def heard(self, what: str) -> list[Message]:
        return [seen.message for seen in self.seen if seen.what == what]


@contextlib.asynccontextmanager
async def master_on(broker: Mosquitto, node: str, signer: Signer, *, epoch: int = 1) -> AsyncIterator[Master]:
    certificate, key = broker.authority.issue(MASTER_USER)
    context = ssl.create_default_context(cafile=str(broker.authority.ca))
    context.load_cert_chain(str(certificate), str(key))
    client = aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        identifier=MASTER_USER,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=context,
        clean_start=True,
    )
    async with client:
        await client.subscribe(broker.topics.up_filter, qos=1)
        master = Master(client, broker.topics, node, signer, epoch)
        async with asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(_until_lost(master.collect()))
            try:
                yield master
            finally:
                collecting.cancel()


async def _until_lost(collecting: Awaitable[None]) -> None:
    with contextlib.suppress(aiomqtt.MqttError):
        await collecting


async def eventually(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def pod(name: str, uid: str, *, image: str = "busybox") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": uid},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


def entry(value: dict[str, Any], resource: str, revision: int) -> IndexEntry:
    metadata = value["metadata"]
    return IndexEntry(
        resource=resource,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        revision=revision,
    )


def user_of(node: str) -> str:
    return node_user(node)
