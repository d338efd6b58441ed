"""Cluster and Node: the parts of one wherry cluster and what tests do to them."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from tests.cluster.daemon import Daemon
from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import eventually
from tests.hosts import Completed, Host, Switch
from tests.hosts.images import busybox_archive

#: An image with busybox under two names, so that a rollout has somewhere to go.
IMAGES = ("wherry-test/app:1", "wherry-test/app:2")


@dataclass(slots=True)
class Node:
    """A host with an engine and an agent."""

    host: Host
    agent: Daemon

    @property
    def name(self) -> str:
        return self.host.name

    async def containers(self, *, everything: bool = False) -> dict[str, str]:
        """Container id → StartedAt of wherry's containers on this node that run (or of all)."""
        listed = await self.host.docker(
            "ps", "-q", "--no-trunc", "--filter", "label=io.wherry.pod.uid", *(("-a",) if everything else ())
        )
        ids = listed.stdout.split()
        if not ids:
            return {}
        inspected = await self.host.docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", *ids, check=False)
        return dict(line.split() for line in inspected.stdout.splitlines())


class Cluster:
    """An async context manager: a running cluster; gone with all its parts when the block is left."""

    def __init__(
        self,
        nodes: Sequence[str] = ("one", "two"),
        *,
        proxy_mode: str = "nftables",
        master_settings: dict[str, Any] | None = None,
        agent_settings: dict[str, Any] | None = None,
    ) -> None:
        self._node_names = tuple(nodes)
        self._proxy_mode = proxy_mode
        self._master_settings = master_settings or {}
        self._agent_settings = agent_settings or {}
        self.switch = Switch()
        self.nodes: dict[str, Node] = {}

    async def __aenter__(self) -> "Cluster":
        await self.switch.__aenter__()
        try:
            await self._start()
        except BaseException as error:
            error.add_note(self.logs())
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.logs())
        for daemon in (*(node.agent for node in self.nodes.values()), *([self.master] if hasattr(self, "master") else [])):
            if daemon.running:
                await daemon.stop()
        await self.switch.__aexit__(kind, error, traceback)

    @property
    def kubeconfig(self) -> Path:
        return self.control.folder / "admin.kubeconfig"

    def kubectl_of(self, version: str) -> Kubectl:
        """kubectl of one version on the control host."""
        return Kubectl(self.control, self.kubeconfig, version)

    def logs(self) -> str:
        """The ends of all daemons' logs, for a failing test's report."""
        daemons = {"master": self.master} if hasattr(self, "master") else {}
        daemons |= {name: node.agent for name, node in self.nodes.items()}
        return "\n".join(f"--- {name}\n{daemon.tail()}" for name, daemon in daemons.items())

    async def _start(self) -> None:
        (self.control,) = await self.switch.add_hosts("control")
        self.master_config = self.control.folder / "master.yaml"
        settings = {
            "data_dir": str(self.control.folder / "master"),
            "advertise_address": self.control.address,
            "kubeconfig": str(self.kubeconfig),
            **self._master_settings,
        }
        self.master_config.write_text(yaml.safe_dump(settings))
        await self.master_command("init")
        self.master = Daemon(self.control, "master", "run", "--config", str(self.master_config))
        await self.master.start()
        self.kubectl = self.kubectl_of("default")
        await self.api_ready()
        hosts = await self.switch.add_hosts(*self._node_names, docker=True)
        for host in hosts:
            for image in IMAGES:
                await host.load_image(busybox_archive(image))
            await self.join(host)
        await self.nodes_ready()

    async def master_command(self, *argv: str) -> Completed:
        """A `wherry-master` command on the control host."""
        return await self.control.run(sys.executable, "-m", "master", *argv, "--config", str(self.master_config))

    async def join(self, host: Host) -> Node:
        """Join a host with the printed command and start its agent."""
        printed = await self.master_command("token", "create", "--ttl", "10m", "--print-join-command")
        arguments = shlex.split(printed.stdout.strip().splitlines()[-1])[1:]
        config_dir, data_dir = host.folder / "etc", host.folder / "agent"
        await host.run(
            sys.executable, "-m", "agent", *arguments,
            "--node-name", host.name, "--config-dir", str(config_dir), "--data-dir", str(data_dir),
        )  # fmt: skip
        config = config_dir / "config.yaml"
        settings = yaml.safe_load(config.read_text())
        self._configure_agent(host, settings)
        config.write_text(yaml.safe_dump(settings))
        agent = Daemon(host, "agent", "run", "--config", str(config))
        node = Node(host, agent)
        self.nodes[host.name] = node
        await agent.start()
        return node

    def _configure_agent(self, host: Host, settings: dict[str, Any]) -> None:
        settings["docker"] = host.docker_url
        settings["proxy_mode"] = self._proxy_mode
        settings.update(self._agent_settings)

    async def api_ready(self, seconds: float = 30.0) -> None:
        async def check() -> None:
            assert self.master.running, "the master has ended"
            answer = await self.kubectl.run("get", "--raw", "/readyz", timeout=10)
            assert answer.returncode == 0, answer.stderr

        await eventually(check, seconds=seconds)

    async def nodes_ready(self, *names: str, seconds: float = 60.0) -> None:
        """Wait until these nodes (default: all) are Ready and their taints of the time before are gone."""

        async def check() -> None:
            for name in names or self.nodes:
                assert await self.node_condition(name) == "True", f"node {name} is not Ready"
                taints = await self.kubectl("get", "node", name, "-o", "jsonpath={.spec.taints}")
                assert taints == "", f"node {name} is tainted: {taints}"

        await eventually(check, seconds=seconds)

    async def node_condition(self, name: str, condition: str = "Ready") -> str:
        """True, False, Unknown, or "" while the node has no such condition."""
        path = f'{{.status.conditions[?(@.type=="{condition}")].status}}'
        return await self.kubectl("get", "node", name, "--ignore-not-found", "-o", f"jsonpath={path}")
