"""Logs, terminals, forwarded ports, and what a pod finds inside itself, on the real Docker."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.kubelet_node import Json, Node, condition, kubelet_node

pytestmark = [pytest.mark.docker, pytest.mark.root]

SERVER = ["/bin/sh", "-c", "mkdir -p /tmp/www; echo hello >/tmp/www/index.html; exec httpd -f -p 127.0.0.1:8080 -h /tmp/www"]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet") as made:
        yield made


async def test_logs_can_be_cut_and_followed_to_the_end(node: Node) -> None:
    manifest = node.pod(
        "talk", {"command": ["/bin/sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.3; done"]}, restartPolicy="Never"
    )
    node.order(manifest)
    await node.until(lambda: node.reports.last("talk").get("containerStatuses", [{}])[0].get("containerID"))
    assert (await node.stream("logs", manifest, follow=True))[0] == b"line 1\nline 2\nline 3\n"
    assert (await node.stream("logs", manifest, tailLines=1))[0] == b"line 3\n"
    assert (await node.stream("logs", manifest, limitBytes=3))[0] == b"lin"
    stamped = (await node.stream("logs", manifest, tailLines=1, timestamps=True))[0]
    assert stamped.endswith(b"Z line 3\n")
    _, _, closed = await node.stream("logs", manifest, previous=True)
    assert (closed["code"], closed["error"]) == (400, 'previous terminated container "c0" in pod "talk" not found')


async def test_a_port_on_the_pods_loopback_is_forwarded(node: Node) -> None:
    manifest = node.pod("serve", {"command": SERVER})
    node.order(manifest)
    await node.until_ready("serve")
    await asyncio.sleep(0.3)
    output, _, _ = await node.stream("portforward", manifest, port=8080, input=[b"GET /index.html HTTP/1.0\r\n\r\n"])
    assert output.endswith(b"hello\n")
    _, _, closed = await node.stream("portforward", manifest, port=9)
    assert closed["code"] == 500


async def test_a_proxy_reaches_the_pods_own_address_and_no_other(node: Node) -> None:
    manifest = node.pod("serve", {"command": [*SERVER[:2], SERVER[2].replace("127.0.0.1:8080", "8080")]})
    node.order(manifest)
    address = (await node.until_ready("serve"))["podIP"]
    asked = [b"GET /index.html HTTP/1.0\r\n\r\n"]

    async def serves() -> bool:
        output, _, _ = await node.stream("podproxy", manifest, address=address, port=8080, input=asked)
        return output.endswith(b"hello\n")

    while not await serves():
        await asyncio.sleep(0.05)
    for wrong in ("127.0.0.1", "169.254.169.254", "192.0.2.1", ""):
        _, _, closed = await node.stream("podproxy", manifest, address=wrong, port=8080)
        assert (closed["code"], closed["error"]) == (400, "address not allowed")
    _, _, closed = await node.stream("podproxy", manifest, address=address, port=81)
    assert (closed["code"], closed["error"]) == (503, f"dial tcp {address}:81: connect: connection refused")


async def test_a_node_proxy_reaches_the_agents_own_server(node: Node) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"own")
        writer.close()

    manifest = node.pod("none", {})
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        node.kubelet.server_listens(server.sockets[0].getsockname()[1])
        output, _, closed = await node.stream("nodeproxy", manifest, port=0, input=[b"GET\n"])
        assert (output, closed.get("error", "")) == (b"own", "")


async def test_attach_goes_on_listening_when_its_input_ends(node: Node) -> None:
    command = ["/bin/sh", "-c", "read a; sleep 0.5; echo got $a; read b; echo then $b"]
    once = node.pod("once", {"command": command, "stdin": True, "stdinOnce": True}, restartPolicy="Never")
    open_ = node.pod("open", {"command": command, "stdin": True}, restartPolicy="Never")
    for manifest in (once, open_):
        node.order(manifest)
        await node.until_ready(manifest["metadata"]["name"])
    output, [status], _ = await node.stream("attach", once, stdin=True, input=[b"x\n"])
    assert (output, status["status"]) == (b"got x\nthen\n", "Success"), "with stdinOnce its input ends too"
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(node.stream("attach", open_, stdin=True, input=[b"x\n"]))
        await asyncio.sleep(1)
        await node.stream("attach", open_, stdin=True, input=[b"y\n"])
    assert first.result()[0] == b"got x\nthen y\n", "without it the next client goes on"


async def test_a_terminal_is_one(node: Node) -> None:
    manifest = node.pod("tty", {"command": ["/bin/sleep", "1000"]})
    node.order(manifest)
    await node.until_ready("tty")
    output, [status], _ = await node.stream("exec", manifest, command=["/bin/tty"], tty=True, stdin=True)
    assert output.startswith(b"/dev/pts/")
    assert status["status"] == "Success"


async def test_http_probes_and_the_pods_own_files(node: Node) -> None:
    def served(port: int) -> Json:
        return {"httpGet": {"path": "/index.html", "port": port}, "periodSeconds": 1, "failureThreshold": 1}

    command = [*SERVER[:2], SERVER[2].replace("127.0.0.1:8080", "8080")]
    node.secret("key", {"k": "c2VjcmV0"})
    mount = {"name": "s", "mountPath": "/only", "subPath": "k"}
    good = node.pod(
        "good",
        {"command": command, "readinessProbe": served(8080), "volumeMounts": [mount]},
        volumes=[{"name": "s", "secret": {"secretName": "key"}}],
        hostAliases=[{"ip": "192.0.2.9", "hostnames": ["friend"]}],
    )
    node.order(good)
    status = await node.until_ready("good")
    ip = status["podIP"]
    text = (await node.stream("exec", good, command=["/bin/cat", "/etc/hosts", "/etc/resolv.conf", "/only", "/etc/hostname"]))[
        0
    ].decode()
    assert f"{ip}\tgood\n" in text
    assert "192.0.2.9\tfriend\n" in text
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in text
    assert "nameserver 10.254.0.1\n" in text
    assert text.endswith("secretgood\n")
    bad = node.pod("bad", {"command": ["/bin/sleep", "1000"], "readinessProbe": served(8081)})
    node.order(bad)
    await node.until(lambda: node.reports.messages("bad", "Unhealthy"))
    [message, *_] = node.reports.messages("bad", "Unhealthy")
    assert message.startswith('Readiness probe failed: Get "http://')
    assert message.endswith("connect: connection refused")
    assert condition(node.reports.last("bad"), "Ready")["reason"] == "ContainersNotReady"


async def test_a_missing_image_and_a_missing_secret_are_told_as_kubernetes_does(node: Node) -> None:
    node.order(node.pod("never", {"image": f"{node.mark}-none:1", "imagePullPolicy": "Never"}))
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "later", "key": "k"}}}]
    node.order(node.pod("config", {"command": ["/bin/sleep", "1000"], "env": env}))

    def waiting(name: str) -> Json:
        statuses = node.reports.last(name).get("containerStatuses", [{}])
        return dict(statuses[0].get("state", {}).get("waiting", {}))

    await node.until(lambda: waiting("never").get("reason") == "ErrImageNeverPull")
    assert waiting("never")["message"] == f'Container image "{node.mark}-none:1" is not present with pull policy of Never'
    await node.until(lambda: waiting("config").get("reason") == "CreateContainerConfigError")
    assert waiting("config")["message"] == 'secret "later" not found'
    node.secret("later", {"k": "eA=="})
    await node.until_ready("config", timeout=8)
