"""A real `wherry-master run` in a process of its own, and real agent links that joined it; for integration tests."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from agent.checkpoint.checkpoint import Checkpoint
from agent.desired import DesiredState
from agent.join import JoinRequest, join
from agent.keys import read_key
from agent.link.link import Link, LinkParts
from agent.link.outbox import Outbox
from agent.link.receiver import NodeIdentity, Receiver
from agent.link.rejections import Rejections
from master import settings as master_settings
from master.cli.api import AdminApi, admin_api
from master.cli.errors import CommandError
from master.cli.token import token_secret
from master.pki import cluster
from master.pki.names import api_url
from proto.messages import StreamOpen
from proto.mqtt_session import BrokerEndpoint
from proto.sealing import public_key
from proto.signing import Verifier
from proto.stream import Stream
from proto.topics import Topics, node_user
from tests.ports import free_port

Json = dict[str, Any]


async def eventually(holds: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until something holds; AssertionError names it when it does not."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {holds}"
        await asyncio.sleep(0.05)


@dataclass
class MasterProcess:
    """The master on free ports of the loopback, in a folder that the user mosquitto can reach."""

    folder: Path
    settings: master_settings.MasterSettings
    process: asyncio.subprocess.Process | None = None

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def broker_pid(self) -> int:
        return int((self.folder / "data" / "broker" / "pid").read_text())

    async def start(self) -> None:
        """Start and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "master", "run", "--config", str(self.config), stdout=log, stderr=log
            )
        for _ in range(300):
            if self.process.returncode is not None:
                break
            if await self._ready():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"the master does not become ready:\n{self.log.read_text()}")

    async def _ready(self) -> bool:
        try:
            async with self.api() as api:
                return await api.ready()
        except Exception:  # noqa: BLE001 - not listening yet, in any of its ways
            return False

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(20):
            return await self.process.wait()

    def kill_broker(self) -> int:
        pid = self.broker_pid
        os.kill(pid, signal.SIGKILL)
        return pid

    @asynccontextmanager
    async def api(self) -> AsyncIterator["Api"]:
        async with admin_api(self.settings) as api:
            yield Api(api)

    async def token(self) -> str:
        async with self.api() as api:
            secret = token_secret("abcdef", "0123456789abcdef", ttl=timedelta(hours=1))
            await api.apply("/api/v1/namespaces/kube-system/secrets", secret)
        return "abcdef.0123456789abcdef"

    @property
    def ca_hash(self) -> str:
        return cluster.load(self.settings.pki_path).authority.public_key_hash

    @property
    def url(self) -> str:
        return api_url(self.settings)


class Api:
    """The API over TLS as the administrator."""

    def __init__(self, api: AdminApi) -> None:
        self._api = api

    async def ready(self) -> bool:
        async with self._api._session.get(self._api._url + "/readyz") as response:
            return response.status == 200

    async def get(self, path: str) -> Json:
        return await self._api.get(path)

    async def create(self, path: str, body: Json) -> Json:
        return await self._api.create(path, body)

    async def delete(self, path: str) -> Json:
        return await self._api.delete(path)

    async def apply(self, path: str, body: Json) -> None:
        """Create, unless it is there."""
        try:
            await self._api.create(path, body)
        except CommandError as error:
            if "already exists" not in str(error):
                raise

    async def text(self, path: str) -> str:
        async with self._api._session.get(self._api._url + path) as response:
            return await response.text()

    async def put(self, path: str, body: Json) -> Json:
        return await self._api._request("PUT", path, body)

    async def patch(self, path: str, body: Json) -> Json:
        return await self._api._request("PATCH", path, body)


def _make_folder(further: Json) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wherry-master-"))
    folder.chmod(0o711)
    settings = {
        "data_dir": str(folder / "data"),
        "advertise_address": "127.0.0.1",
        "listen": {"port": free_port(), "address": "127.0.0.1"},
        "broker": {"port": free_port(), "address": "127.0.0.1"},
        "heartbeat_seconds": 1.0,
        "network": {"cluster_cidr": "10.201.0.0/16", "service_cidr": "10.202.0.0/16"},
        **further,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder


@asynccontextmanager
async def master_running(**settings: Any) -> AsyncIterator[MasterProcess]:
    """`settings`: further ones of the master."""
    folder = _make_folder(settings)
    config = folder / "config.yaml"
    init = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "master", "init", "--config", str(config), stdout=asyncio.subprocess.DEVNULL
    )
    assert await init.wait() == 0
    master = MasterProcess(folder, master_settings.load(config))
    try:
        await master.start()
        yield master
    finally:
        if master.process is not None:
            await master.stop()
        shutil.rmtree(folder)


@dataclass
class Node:
    """An agent's link that joined over the API: the wire's real other end, without Docker below it."""

    name: str
    desired: DesiredState
    outbox: Outbox
    rejections: Rejections
    link: Link
    folder: Path
    gone: set[str] = field(default_factory=set)


async def serve_stream(request: StreamOpen, stream: Stream) -> None:
    """Logs are the pod's name; everything else comes back in capitals."""
    if request.kind == "logs":
        await stream.write(1, f"log of {request.pod}\n".encode())
        return
    async for frame in stream.frames():
        await stream.write(1, frame.data.upper())
        if frame.eof:
            return


async def join_node(master: MasterProcess, name: str, folder: Path) -> Path:
    """Join over TLS with a bootstrap token; the agent's settings file."""
    return await join(
        JoinRequest(
            server=master.url,
            token=await master.token(),
            ca_hash=master.ca_hash,
            node_name=name,
            config_dir=folder,
            data_dir=str(folder / "data"),
        )
    )


@asynccontextmanager
async def node_running(master: MasterProcess, name: str, folder: Path) -> AsyncIterator[Node]:
    """Join if need be, then run the link."""
    config = await join_node(master, name, folder)
    settings = yaml.safe_load(config.read_text())
    sealing = read_key(folder / "sealing.key")
    topics = Topics(settings["cluster"])
    registry = CollectorRegistry()
    identity = NodeIdentity(name, topics, Verifier(read_key(folder / "signing.pub")), sealing)
    desired, outbox, rejections = DesiredState(), Outbox(name), Rejections(registry)

    async def node_object() -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", "node-restriction.kubernetes.io/x": "y"}},
            "status": {
                "capacity": {"cpu": "4", "memory": "8Gi", "pods": "500"},
                "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "500"},
                "addresses": [{"type": "InternalIP", "address": "192.0.2.77"}],
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}],
            },
        }

    async with Checkpoint(folder / "checkpoint") as checkpoint:
        receiver = Receiver(identity=identity, desired=desired, checkpoint=checkpoint, rejections=rejections)
        await receiver.restore()
        link = Link(
            LinkParts(
                identity=identity,
                broker=BrokerEndpoint(
                    settings["broker"]["host"],
                    settings["broker"]["port"],
                    node_user(name),
                    folder / "node.crt",
                    folder / "node.key",
                    folder / "ca.crt",
                ),
                receiver=receiver,
                outbox=outbox,
                desired=desired,
                rejections=rejections,
                node_object=node_object,
                handle_stream=serve_stream,
                sealing_public_key=public_key(sealing),
                boot_id="boot",
            ),
            registry=registry,
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run())
            try:
                yield Node(name, desired, outbox, rejections, link, folder)
            finally:
                running.cancel()


def pod(name: str, node: str = "", **spec: Any) -> Json:
    container = {"name": "c", "image": "registry.test/app:1", **spec.pop("container", {})}
    body: Json = {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}
    if node:
        body["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}
