"""The agent as a whole: builds every part, wires it, runs it until a signal or the death of a part.

    checkpoint ─► desired state ─► Docker runtime ─► pod network ─► kubelet ─► kube-proxy ─► DNS ─► link ─► health server

The desired state comes from the checkpoint before anything else runs, so a node that boots with neither broker nor master in
reach runs its pods. Every part copes with the absence of what it needs (engine, broker, pod CIDR) and says so in readiness
and in the Node's conditions. Ending the agent, however, touches no container: the parts are cancelled and nothing is undone.

`main` is the process: event loop, signals, exit code. A part that ends by itself or fails ends the agent with its reason and a
non-zero exit code; systemd starts it anew.
"""

import asyncio
import logging
import os
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from agent.checkpoint.checkpoint import Checkpoint
from agent.checkpoint.folder import CheckpointUnusable
from agent.desired import DesiredState
from agent.dns.server import DNSServer
from agent.host import boot_id, own_address
from agent.keys import read_key
from agent.kubelet.kubelet import Kubelet
from agent.link.link import Link, LinkParts
from agent.link.outbox import Outbox
from agent.link.receiver import NodeIdentity, Receiver
from agent.link.rejections import Rejections
from agent.network.pod_network import PodNetwork
from agent.proxy.kube_proxy import KubeProxy
from agent.runtime.docker import DockerRuntime
from agent.server.server import CannotListen, Server, Sources
from agent.settings import AgentSettings, InvalidSettings
from proto import sealing
from proto.daemon import logs, memory
from proto.daemon.notify import Notifier
from proto.daemon.process import lasting, run_until_signal
from proto.mqtt_session import BrokerEndpoint
from proto.signing import Verifier
from proto.topics import Topics, node_user
from proto.version import VERSION

_LOG = logging.getLogger(__name__)

#: Errors that say what the operator must change: told in one line, without a traceback.
_OPERATOR_ERRORS = (CannotListen, CheckpointUnusable, InvalidSettings)


def main(settings: AgentSettings) -> int:
    """Run the agent until SIGTERM or SIGINT; the exit code."""
    logs.configure(settings.log_level, under_journal="JOURNAL_STREAM" in os.environ)
    # Containers' users read what is made for them (resolv.conf, folders in volumes). What is private has a mode of its own.
    os.umask(0o022)
    try:
        keys = _read_keys(settings)
    except InvalidSettings as error:
        _LOG.error("the agent cannot run: %s", error)
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, *keys))


def checkpoint_path(settings: AgentSettings) -> Path:
    return Path(settings.data_dir) / "checkpoint"


def kubelet_path(settings: AgentSettings) -> Path:
    return Path(settings.data_dir) / "kubelet"


def _read_keys(settings: AgentSettings) -> tuple[bytes, bytes]:
    """The master's public signing key and the node's private sealing key. Raises InvalidSettings."""
    keys: list[bytes] = []
    for name, path in (("signing_key", settings.signing_key), ("sealing_key", settings.sealing_key)):
        try:
            keys.append(read_key(Path(path)))
        except OSError as error:
            raise InvalidSettings(f"{name}: {path}: {error.strerror}; has this host joined? (wherry-agent join)") from error
        except ValueError as error:
            raise InvalidSettings(f"{name}: {path}: {error}; join again (wherry-agent join)") from error
    signing_key, sealing_key = keys
    return signing_key, sealing_key


async def _run(settings: AgentSettings, signing_key: bytes, sealing_key: bytes) -> int:
    notifier = Notifier()
    return await run_until_signal(
        Agent(settings, signing_key, sealing_key, notifier).run(),
        name="agent",
        notifier=notifier,
        log=_LOG,
        operator_errors=_OPERATOR_ERRORS,
        stopping="stopping; containers go on",
    )


class Agent:
    """All parts of one node. `run` ends by cancellation or by the first part's failure."""

    def __init__(self, settings: AgentSettings, signing_key: bytes, sealing_key: bytes, notifier: Notifier) -> None:
        self._settings = settings
        self._sealing_key = sealing_key
        self._notifier = notifier
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._identity = NodeIdentity(settings.node_name, Topics(settings.cluster), Verifier(signing_key), sealing_key)
        self._desired = DesiredState()
        self._outbox = Outbox(settings.node_name)
        self._rejections = Rejections(self._registry)

    async def run(self) -> None:
        settings = self._settings
        _LOG.info("wherry-agent starts", extra={"version": VERSION, "node": settings.node_name, "cluster": settings.cluster})
        async with (
            Checkpoint(checkpoint_path(settings)) as checkpoint,
            DockerRuntime(settings.docker, settings.docker_concurrency) as runtime,
        ):
            receiver = Receiver(
                identity=self._identity, desired=self._desired, checkpoint=checkpoint, rejections=self._rejections
            )
            damaged = await receiver.restore()
            if damaged:
                self._outbox.event(
                    None, "Warning", "CheckpointDamaged", f"{len(damaged)} saved orders were damaged and are set aside"
                )
            await self._run_parts(checkpoint, receiver, runtime)

    async def _run_parts(self, checkpoint: Checkpoint, receiver: Receiver, runtime: DockerRuntime) -> None:
        settings, desired = self._settings, self._desired
        network = PodNetwork(node_name=settings.node_name, desired=desired, runtime=runtime, reporter=self._outbox)
        kubelet = self._kubelet(runtime, network)
        proxy = KubeProxy(
            node_name=settings.node_name,
            desired=desired,
            mode=settings.proxy_mode,
            node_port_addresses=settings.node_port_addresses,
            registry=self._registry,
        )
        dns = DNSServer(desired=desired, resolv_conf=Path(settings.kubelet.resolver_config), registry=self._registry)
        link = self._link(receiver, kubelet)
        server = Server(
            address=settings.health.address,
            port=settings.health.port,
            sources=Sources(
                live={"ping": lambda: ""},
                ready={
                    "ping": lambda: "",
                    "checkpoint": lambda: checkpoint.failing,
                    "kubelet": lambda: self._outbox.node_problem,
                    "link": lambda: link.problem,
                    "pod-network": lambda: network.problem,
                    "kube-proxy": lambda: proxy.problem,
                    "dns": lambda: dns.problem,
                },
                pod_list=kubelet.pod_list,
                stats=kubelet.stats_summary,
                metrics=(self._registry, kubelet.metrics.registry),
                probes=kubelet.metrics.probes,
            ),
        )
        port = await server.start()
        kubelet.server_listens(port)
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._notifier.run(), name="systemd watchdog")  # ends at once where systemd does not watch
            for name, part in (
                ("pod network", network.run()),
                ("kubelet", kubelet.run()),
                ("kube-proxy", proxy.run()),
                ("dns", dns.run()),
                ("link", link.run()),
                ("health server", server.run()),
                ("memory", memory.keep_trimmed()),
            ):
                parts.create_task(lasting(name, part), name=name)
            self._notifier.ready(f"node {settings.node_name}, health on port {port}")
            _LOG.info("ready", extra={"port": port, "pods": len(desired.pods)})
            memory.settle()

    def _kubelet(self, runtime: DockerRuntime, network: PodNetwork) -> Kubelet:
        settings = self._settings
        return Kubelet(
            node_name=settings.node_name,
            node_addresses=settings.node_addresses or (own_address(settings.broker.host),),
            runtime=runtime,
            desired=self._desired,
            reporter=self._outbox,
            root=kubelet_path(settings),
            network=network,
            orphans_may_go=lambda: self._desired.pods_complete,
            labels=settings.node_labels,
            settings=settings.kubelet,
        )

    def _link(self, receiver: Receiver, kubelet: Kubelet) -> Link:
        settings = self._settings
        return Link(
            LinkParts(
                identity=self._identity,
                broker=BrokerEndpoint(
                    host=settings.broker.host,
                    port=settings.broker.port,
                    user=node_user(settings.node_name),
                    certificate=Path(settings.certificate),
                    key=Path(settings.key),
                    ca=Path(settings.ca),
                ),
                receiver=receiver,
                outbox=self._outbox,
                desired=self._desired,
                rejections=self._rejections,
                node_object=kubelet.node_object,
                handle_stream=kubelet.handle_stream,
                sealing_public_key=sealing.public_key(self._sealing_key),
                boot_id=boot_id(),
            ),
            registry=self._registry,
        )
