"""Two nodes with pods and a client outside, as network namespaces; a kube-proxy on one node. For test_proxy_modes.py.

    client 198.18.0.3 ── switch ── node 198.18.0.1 ── wherry0 10.244.0.1 ── pods a 10.244.0.2, b 10.244.0.3
                            └───── other 198.18.0.2 ── wherry0 10.244.1.1 ── pods c 10.244.1.2, d 10.244.1.3

Each pod answers on TCP and UDP port 8080 with its name and the address that it sees the client under.
"""

import asyncio
import json
import socket
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tests.hosts import Host, Switch, run

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
PORT = 8080


@dataclass
class World:
    switch: Switch
    mode: str
    node: Host
    other: Host
    client: Host
    pods: dict[str, Host]
    proxy: Process

    async def sync(self, *objects: Json) -> None:
        """Make these Services and EndpointSlices the whole desired state and wait for the proxy."""
        state = {
            "services": [one for one in objects if one["kind"] == "Service"],
            "slices": [one for one in objects if one["kind"] == "EndpointSlice"],
        }
        await self.tell(json.dumps(state), "synced")

    async def tell(self, line: str, answer: str) -> None:
        assert self.proxy.stdin is not None
        assert self.proxy.stdout is not None
        self.proxy.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(20):
            said = (await self.proxy.stdout.readline()).decode().strip()
        assert said == answer, f"the proxy said {said!r}"

    def slice(self, name: str, ready: Sequence[str], draining: Sequence[str] = (), **port: Any) -> Json:
        """An EndpointSlice of the Service `name` with these pods."""
        return {
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-1", "namespace": "test", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": PORT, "protocol": "TCP", **port}],
            "endpoints": [
                {
                    "addresses": [self.pods[pod].address],
                    "nodeName": "node" if pod in "ab" else "other",
                    "conditions": {"ready": pod in ready, "serving": True, "terminating": pod in draining},
                }
                for pod in (*ready, *draining)
            ],
        }


def service(name: str, cluster_ip: str, *, protocol: str = "TCP", node_port: int = 0, **spec: Any) -> Json:
    port: Json = {"port": 80, "protocol": protocol, "targetPort": PORT}
    if node_port:
        port["nodePort"] = node_port
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "test"},
        "spec": {"clusterIP": cluster_ip, "type": "NodePort" if node_port else "ClusterIP", "ports": [port], **spec},
    }


async def ask(host: Host, address: str, port: int, timeout: float = 3.0) -> tuple[str, str]:
    """A new TCP connection from this host: (pod that answered, address that it sees). Raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    with host.socket() as sock:
        async with asyncio.timeout(timeout):
            await loop.sock_connect(sock, (address, port))
            answer = b""
            while not answer.endswith(b"\n"):
                piece = await loop.sock_recv(sock, 1000)
                if not piece:
                    raise ConnectionResetError("closed without an answer")
                answer += piece
    pod, _, seen = answer.decode().strip().partition(" ")
    return pod, seen


async def ask_udp(sock: socket.socket, address: str, port: int, timeout: float = 1.0) -> str:
    """One datagram on this socket: the pod that answered. Raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        await loop.sock_sendto(sock, b"who?", (address, port))
        answer, sender = await loop.sock_recvfrom(sock, 1000)
    assert sender == (address, port), "the answer must come from the address that was asked"
    return answer.decode().split()[0]


@asynccontextmanager
async def open_world(switch: Switch, mode: str) -> AsyncIterator[World]:
    node, other, client = await switch.add_hosts("node", "other", "client")
    pods: dict[str, Host] = {}
    for host, peer, net, names in ((node, other, 0, "ab"), (other, node, 1, "cd")):
        inside = ("ip", "-n", host.namespace)
        await run(*inside, "link", "add", "wherry0", "type", "bridge")
        await run(*inside, "addr", "add", f"10.244.{net}.1/24", "dev", "wherry0")
        await run(*inside, "link", "set", "wherry0", "up")
        await run(*inside, "route", "add", f"10.244.{1 - net}.0/24", "via", peer.address)
        for number, name in enumerate(names, 2):
            pods[name] = await _add_pod(switch, host, name, f"10.244.{net}.{number}")
    async with AsyncExitStack() as stack:
        for name, pod in pods.items():
            await _serve(name, pod, stack)
        proxy = await _start_proxy(node, mode)
        try:
            yield World(switch, mode, node, other, client, pods, proxy)
        finally:
            proxy.kill()
            await proxy.wait()


async def _add_pod(switch: Switch, host: Host, name: str, address: str) -> Host:
    pod = replace(host, name=name, address=address, namespace=f"{switch.name}-pod-{name}", port="")
    await run("ip", "netns", "add", pod.namespace)
    await run(
        "ip", "link", "add", f"pod-{name}", "netns", host.namespace,
        "type", "veth", "peer", "name", "eth0", "netns", pod.namespace,
    )  # fmt: skip
    await run("ip", "-n", host.namespace, "link", "set", f"pod-{name}", "master", "wherry0", "up")
    # As Docker does it: without, a bridge sends nothing back to where it came from (hairpin).
    await run("ip", "-n", host.namespace, "link", "set", f"pod-{name}", "type", "bridge_slave", "hairpin", "on")
    for command in (f"addr add {address}/24 dev eth0", "link set lo up", "link set eth0 up"):
        await run("ip", "-n", pod.namespace, *command.split())
    await run("ip", "-n", pod.namespace, "route", "add", "default", "via", address.rpartition(".")[0] + ".1")
    return pod


async def _start_proxy(node: Host, mode: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *node.nsenter, sys.executable, str(Path(__file__).parent / "proxy_node.py"), mode,
        stdin=PIPE, stdout=PIPE, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip


async def _serve(name: str, pod: Host, stack: AsyncExitStack) -> None:
    listening = pod.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("0.0.0.0", PORT))
    listening.listen(1000)

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        """Says who it is, echoes, and has a last word after the client's end of file."""
        try:
            writer.write(f"{name} {writer.get_extra_info('peername')[0]}\n".encode())
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write(b"bye\n")
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, sock=listening)
    stack.callback(server.close)

    class Answer(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
            self.transport.sendto(f"{name} {addr[0]}".encode(), addr)

    sock = pod.socket(type_=socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", PORT))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Answer, sock=sock)
    stack.callback(transport.close)
