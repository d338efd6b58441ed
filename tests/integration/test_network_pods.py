"""Pods on two hosts with real engines reach each other, whatever Docker's own rules say."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.hosts import BUSYBOX_IMAGE, Host
from tests.hosts.host import stop

pytestmark = [pytest.mark.root, pytest.mark.docker]

ROOT = Path(__file__).parents[2]


@dataclass
class Network:
    """A PodNetwork process on a host."""

    host: Host
    number: int
    process: Process

    async def say(self, line: str) -> str:
        """Give an order; what the process answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(20):
            return (await self.process.stdout.readline()).decode().strip()

    def order(self, *peers: "Network", cluster: str = "10.244.0.0/16") -> str:
        prefix = ".".join(cluster.split(".")[:2])
        return json.dumps(
            {
                "order": {
                    "pod_cidr": f"{prefix}.{self.number}.0/24", "cluster_cidr": cluster, "service_cidr": "10.96.0.0/16",
                    "cluster_dns": "", "cluster_domain": "cluster.local",
                },
                "nodes": [
                    {
                        "metadata": {"name": one.host.name},
                        "spec": {"podCIDR": f"{prefix}.{one.number}.0/24"},
                        "status": {"addresses": [{"type": "InternalIP", "address": one.host.address}]},
                    }
                    for one in (self, *peers)
                ],
            }
        )  # fmt: skip

    async def pod(self, name: str) -> str:
        """Run a container on the pod network; its address."""
        await self.host.docker("run", "-d", "--name", f"pod-{name}", "--network", "wherry", BUSYBOX_IMAGE, "sleep", "1000")
        said = await self.host.docker("inspect", "-f", "{{.NetworkSettings.Networks.wherry.IPAddress}}", f"pod-{name}")
        return said.stdout.strip()

    async def pings(self, pod: str, address: str) -> bool:
        said = await self.host.docker("exec", f"pod-{pod}", "ping", "-c1", "-W1", address, check=False)
        return said.returncode == 0


@pytest_asyncio.fixture
async def networks(docker_hosts: list[Host]) -> AsyncIterator[list[Network]]:
    made = []
    for number, host in enumerate(docker_hosts):
        script = str(Path(__file__).parent / "network_node.py")
        process = await asyncio.create_subprocess_exec(
            *host.nsenter, sys.executable, script, host.name, host.docker_url,
            stdin=PIPE, stdout=PIPE, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )  # fmt: skip
        made.append(Network(host, number, process))
    yield made
    for network in made:
        await stop(network.process)


async def test_pods_reach_each_other_across_hosts_without_nat(networks: list[Network]) -> None:
    one, two = networks
    assert await one.say(one.order(two)) == "ready 10.244.0.1 10.244.0.1"
    assert await two.say(two.order(one)) == "ready 10.244.1.1 10.244.1.1"
    here, beside, there = await one.pod("a"), await one.pod("b"), await two.pod("c")
    assert here.startswith("10.244.0.")
    assert there.startswith("10.244.1.")
    assert await one.pings("a", beside)
    assert await one.pings("a", there)
    assert await two.pings("c", here)
    assert (await one.host.run("busybox", "ping", "-c1", "-W1", there, check=False)).returncode == 0

    # No NAT between pods; the node's address towards whom is outside the cluster.
    await two.host.docker("exec", "-d", "pod-c", "sh", "-c", "nc -lp 7000 -e sh -c 'netstat -tn | grep 7000' ")
    await asyncio.sleep(0.3)
    seen = await one.host.docker("exec", "pod-a", "sh", "-c", f"nc -w 3 {there} 7000 < /dev/null")
    assert f"{here}:" in seen.stdout
    await two.host.popen("busybox", "nc", "-lp", "7001", "-e", "sh", "-c", "busybox netstat -tn | grep 7001")
    await asyncio.sleep(0.3)
    seen = await one.host.docker("exec", "pod-a", "sh", "-c", f"nc -w 3 {two.host.address} 7001 < /dev/null")
    assert f"{one.host.address}:" in seen.stdout

    # Each port of the bridge may get back what it sent (a pod that reaches itself through a Service).
    ports = json.loads((await one.host.run("bridge", "-d", "-j", "link")).stdout)
    assert [port["hairpin"] for port in ports if port.get("master") == "wherry0"] == [True, True]

    # The rules survive Docker's restart and a firewall that is flushed under them.
    await one.host.run("iptables", "-F", "DOCKER-USER")
    await one.host.run("nft", "delete", "table", "ip", "wherry-net")
    await one.host.run("ip", "route", "del", "10.244.1.0/24")
    assert not await one.pings("a", there)
    await one.say(one.order(two))
    async with asyncio.timeout(5):
        while not await one.pings("a", there):
            await asyncio.sleep(0.1)

    # A node that left the cluster is routed to no longer.
    await one.say(one.order())
    async with asyncio.timeout(5):
        while "10.244.1.0" in (await one.host.run("ip", "route")).stdout:
            await asyncio.sleep(0.1)

    assert await one.say("teardown") == "torn down"
    assert "--comment wherry" not in (await one.host.run("iptables-save")).stdout
    assert "wherry" not in (await one.host.run("nft", "list", "tables")).stdout
    assert "proto 117" not in (await one.host.run("ip", "route")).stdout


async def test_a_pod_cidr_that_the_host_already_has_is_refused_with_its_reason(networks: list[Network]) -> None:
    one, _ = networks
    said = await one.say(one.order(cluster="198.18.0.0/16"))
    assert said == (
        "Warning NetworkNotReady pod CIDR 198.18.0.0/24 overlaps 198.18.0.0/24 on eth0, which this host already has"
    )
    assert "wherry" not in (await one.host.docker("network", "ls")).stdout
    # Corrected by the master, it works without a restart.
    assert await one.say(one.order()) == "ready 10.244.0.1 10.244.0.1"


async def test_pods_of_one_bridge_reach_each_other_and_themselves_through_a_service(networks: list[Network]) -> None:
    one, _ = networks
    await one.say(one.order())
    address = await one.pod("a")
    await one.pod("b")
    script = str(ROOT / "tests/contract/proxy_node.py")
    proxy = await asyncio.create_subprocess_exec(
        *one.host.nsenter, sys.executable, script, "nftables",
        stdin=PIPE, stdout=PIPE, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    meta = {"namespace": "test", "name": "web", "labels": {"kubernetes.io/service-name": "web"}}
    state = {
        "services": [{"metadata": meta, "spec": {"clusterIP": "10.96.0.10", "ports": [{"port": 80}]}}],
        "slices": [
            {
                "metadata": meta,
                "addressType": "IPv4",
                "ports": [{"port": 8080}],
                "endpoints": [{"addresses": [address], "nodeName": "node"}],
            }
        ],
    }  # fmt: skip
    assert await Network(one.host, 0, proxy).say(json.dumps(state)) == "synced"
    await one.host.docker("exec", "pod-a", "sh", "-c", "echo it is a > /tmp/index.html; httpd -p 8080 -h /tmp")
    for pod in ("pod-b", "pod-a"):
        said = await one.host.docker("exec", pod, "sh", "-c", "wget -qO- http://10.96.0.10/", check=False, timeout=10)
        assert said.stdout == "it is a\n", f"{pod}: {said.stderr}"
    await stop(proxy)
