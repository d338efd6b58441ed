"""The agent as a process on a host of its own: starts without engine, broker and master, says what is wrong, ends in order.

The desired state comes from a checkpoint that a receiver of the same node wrote before.
"""

import asyncio
import base64
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from prometheus_client import CollectorRegistry

from agent.checkpoint.checkpoint import Checkpoint
from agent.desired import DesiredState
from agent.link.receiver import NodeIdentity, Receiver
from agent.link.rejections import Rejections
from proto import sealing
from proto.delivery import Delivery
from proto.messages import Message, NodeOrder, ObjectOrder, encode
from proto.signing import Signer, Verifier
from proto.topics import Topics
from tests.hosts import Host, Switch
from tests.hosts.host import stop
from tests.integration.link_broker import pod

pytestmark = pytest.mark.root

_CHECKOUT = Path(__file__).resolve().parents[2]
NODE = "alone"


@dataclass
class AgentProcess:
    """`python -m agent run` on a host; nothing that it could talk to exists."""

    host: Host
    signer: Signer
    sealing_key: bytes

    @property
    def config(self) -> Path:
        return self.host.folder / "etc" / "config.yaml"

    @property
    def log(self) -> Path:
        return self.host.folder / "agent.log"

    @property
    def data_dir(self) -> Path:
        return self.host.folder / "data"

    def configure(self, **changes: Any) -> None:
        self.config.parent.mkdir(exist_ok=True)
        settings = {
            "node_name": NODE,
            "cluster": "test",
            "broker": {"host": "198.18.0.200", "port": 8883},
            "data_dir": str(self.data_dir),
            "docker": f"unix://{self.host.folder}/no-docker.sock",
        }
        self.config.write_text(yaml.safe_dump(settings | changes))
        keys = {"signing.pub": self.signer.public_key, "sealing.key": self.sealing_key}
        for name, key in keys.items():
            (self.config.parent / name).write_bytes(base64.b64encode(key))

    async def save(self, *orders: tuple[str, Message, str]) -> None:
        """Put orders (topic, message, uid) into the checkpoint as a link would."""
        identity = NodeIdentity(NODE, Topics("test"), Verifier(self.signer.public_key), self.sealing_key)
        async with Checkpoint(self.data_dir / "checkpoint") as checkpoint:
            receiver = Receiver(
                identity=identity,
                desired=DesiredState(),
                checkpoint=checkpoint,
                rejections=Rejections(CollectorRegistry()),
            )
            await receiver.restore()
            await receiver.receive(
                [
                    Delivery(topic, self.signer.sign(encode(message, epoch=1, revision=5, uid=uid), topic).pack())
                    for topic, message, uid in orders
                ]
            )

    async def start(self, command: str = "run") -> Process:
        environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
        arguments = (sys.executable, "-m", "agent", command, "--config", str(self.config))
        return await self.host.popen(*arguments, log=self.log, env=environment, cwd=_CHECKOUT)

    async def get(self, path: str) -> tuple[int, str]:
        """(0, "") while nobody listens."""
        answer = await self.host.run(
            "curl", "-s", "-m", "5", "-w", "\n%{http_code}", f"http://127.0.0.1:10248{path}", check=False
        )
        body, _, code = answer.stdout.rpartition("\n")
        return int(code or 0), body

    async def healthy(self, process: Process) -> None:
        async with asyncio.timeout(20):
            while (await self.get("/healthz"))[0] != 200:
                assert process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.1)


@pytest_asyncio.fixture
async def agent(switch: Switch) -> AsyncIterator[AgentProcess]:
    (host,) = await switch.add_hosts(NODE)
    made = AgentProcess(host, Signer(Signer.generate()), sealing.generate_key())
    made.configure()
    yield made


def node_order() -> tuple[str, Message, str]:
    order = NodeOrder(
        pod_cidr="10.244.3.0/24",
        cluster_cidr="10.244.0.0/16",
        service_cidr="10.96.0.0/16",
        cluster_dns="",
        cluster_domain="cluster.local",
    )
    return Topics("test").node_order(NODE), order, ""


def pod_order() -> tuple[str, Message, str]:
    order = ObjectOrder(resource="pods", namespace="default", name="web", object=pod("web", "u1"))
    return Topics("test").node_object(NODE, "pods", "default", "u1"), order, "u1"


async def test_without_engine_broker_and_master_it_lives_knows_its_pods_and_says_what_is_missing(
    agent: AgentProcess,
) -> None:
    await agent.save(node_order(), pod_order())
    process = await agent.start()
    try:
        await agent.healthy(process)
        async with asyncio.timeout(20):
            while not json.loads((await agent.get("/pods"))[1])["items"]:
                await asyncio.sleep(0.1)
        code, body = await agent.get("/readyz")
        assert code == 503
        assert "[-]link failed" in body
        assert "[-]kubelet failed" in body
        assert "[+]checkpoint ok" in body
        code, metrics = await agent.get("/metrics")
        assert code == 200
        assert "wherry_agent_link_connected 0.0" in metrics
        await asyncio.sleep(2)
        assert process.returncode is None, agent.log.read_text()
    finally:
        status = await stop(process)
    assert status == 0, agent.log.read_text()
    assert "Traceback" not in agent.log.read_text()


async def test_kill_9_and_a_restart_find_the_same_pods_and_an_idle_agent_writes_no_checkpoint(agent: AgentProcess) -> None:
    await agent.save(node_order(), pod_order())
    orders = agent.data_dir / "checkpoint"
    before = {path: path.stat().st_mtime_ns for path in orders.rglob("*")}
    process = await agent.start()
    await agent.healthy(process)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process = await agent.start()
    try:
        await agent.healthy(process)
        async with asyncio.timeout(20):
            while not json.loads((await agent.get("/pods"))[1])["items"]:
                await asyncio.sleep(0.1)
    finally:
        await stop(process)
    assert {path: path.stat().st_mtime_ns for path in orders.rglob("*")} == before


def process_status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


async def test_what_containers_read_does_not_depend_on_the_umask_and_the_way_to_it_is_closed(agent: AgentProcess) -> None:
    previous = os.umask(0o077)
    try:
        process = await agent.start()
    finally:
        os.umask(previous)
    try:
        await agent.healthy(process)
        assert "Umask:\t0022" in process_status(process.pid)
        async with asyncio.timeout(20):
            while not (agent.data_dir / "kubelet").exists():
                await asyncio.sleep(0.1)
        assert (agent.data_dir / "kubelet").stat().st_mode & 0o777 == 0o750
    finally:
        assert await stop(process) == 0


async def failed(agent: AgentProcess) -> str:
    """Start it, expect it to refuse; what it said."""
    process = await agent.start()
    try:
        async with asyncio.timeout(20):
            status = await process.wait()
    finally:
        await stop(process)
    said = agent.log.read_text()
    assert status == 1, said
    assert "Traceback" not in said
    return said


async def test_a_wrong_setting_stops_the_start_and_is_named(agent: AgentProcess) -> None:
    agent.configure(proxy_mode="ipvs")
    said = await failed(agent)
    assert "proxy_mode" in said
    assert str(agent.config) in said


async def test_a_host_that_has_not_joined_is_told_so(agent: AgentProcess) -> None:
    (agent.config.parent / "signing.pub").unlink()
    assert "wherry-agent join" in await failed(agent)


async def test_a_second_agent_on_the_same_data_is_refused_and_so_is_reset(agent: AgentProcess) -> None:
    first = await agent.start()
    try:
        await agent.healthy(first)
        assert "another agent is running" in await failed(agent)
        reset = await agent.start("reset")
        assert await reset.wait() == 1
        assert "stop the agent first" in agent.log.read_text()
    finally:
        await stop(first)


async def test_a_health_port_in_use_stops_the_start_and_is_named(agent: AgentProcess) -> None:
    squatter = await agent.host.popen(sys.executable, "-m", "http.server", "10248", "--bind", "127.0.0.1")
    try:
        await asyncio.sleep(0.5)
        assert "127.0.0.1:10248: the port is in use" in await failed(agent)
    finally:
        await stop(squatter)


async def test_a_checkpoint_folder_that_is_a_file_is_named(agent: AgentProcess) -> None:
    agent.data_dir.mkdir()
    (agent.data_dir / "checkpoint").write_text("")
    assert str(agent.data_dir / "checkpoint") in await failed(agent)


async def test_a_damaged_checkpoint_is_set_aside_and_the_rest_runs(agent: AgentProcess) -> None:
    await agent.save(node_order(), pod_order())
    for number, path in enumerate(sorted((agent.data_dir / "checkpoint" / "orders").iterdir())):
        path.write_bytes(path.read_bytes()[: 20 + number])
    process = await agent.start()
    try:
        await agent.healthy(process)
        assert json.loads((await agent.get("/pods"))[1])["items"] == []
    finally:
        assert await stop(process) == 0
    assert len(list((agent.data_dir / "checkpoint" / "damaged").iterdir())) == 2
