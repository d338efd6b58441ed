"""Manifests that are wrong get Kubernetes' own answer with the field's path; a host that is not right gets a clear refusal."""

import asyncio
import base64
import json
import ssl
import sys

import pytest
import yaml

from tests.cluster import Cluster, eventually
from tests.cluster.daemon import Daemon
from tests.cluster.manifests import app_deployment
from tests.hosts.host import stop

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


async def _refusal(cluster: Cluster, manifest: object, *flags: str) -> str:
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    completed = await cluster.kubectl.run("create", "-f", "-", *flags, stdin=text)
    assert completed.returncode != 0, completed.stdout
    return completed.stderr


async def test_an_unknown_field_is_named_with_its_path(cluster: Cluster) -> None:
    deployment = app_deployment("bad")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePulPolicy"] = "Never"
    refusal = await _refusal(cluster, deployment)
    assert 'unknown field "spec.template.spec.containers[0].imagePulPolicy"' in refusal


async def test_a_wrong_type_a_bad_name_and_a_missing_field_are_told_apart(cluster: Cluster) -> None:
    wrong_type = app_deployment("bad")
    wrong_type["spec"]["replicas"] = "many"
    assert "replicas" in await _refusal(cluster, wrong_type, "--validate=false")
    assert "metadata.name: Invalid value" in await _refusal(cluster, app_deployment("Bad_Name"))
    missing = app_deployment("bad")
    del missing["spec"]["template"]["spec"]["containers"][0]["image"]
    missing["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 70000
    refusal = await _refusal(cluster, missing)
    assert "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 70000" in refusal
    selector = app_deployment("bad")
    selector["spec"]["selector"]["matchLabels"] = {"app": "other"}
    assert "`selector` does not match template `labels`" in await _refusal(cluster, selector)
    assert (await cluster.kubectl("get", "deployments", "-A")).count("bad") == 0


async def test_a_half_sent_body_a_wrong_content_type_and_a_huge_body_harm_nobody(cluster: Cluster) -> None:
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text())
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, data in (("crt", "client-certificate-data"), ("key", "client-key-data")):
        (cluster.control.folder / f"client.{name}").write_bytes(base64.b64decode(kubeconfig["users"][0]["user"][data]))
    context.load_cert_chain(cluster.control.folder / "client.crt", cluster.control.folder / "client.key")
    path = "/api/v1/namespaces/default/configmaps"

    async def send(raw: bytes, *, close: bool = False) -> bytes:
        connection = cluster.control.socket()
        await asyncio.get_running_loop().sock_connect(connection, (cluster.control.address, 6443))
        reader, writer = await asyncio.open_connection(sock=connection, ssl=context, server_hostname="kubernetes")
        writer.write(raw)
        try:
            return b"" if close else await asyncio.wait_for(reader.readuntil(b"\r\n"), 20)
        finally:
            writer.close()

    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()
    await send(head + b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"half":', close=True)
    assert b" 415 " in await send(head + b"Content-Type: text/csv\r\nContent-Length: 2\r\n\r\n{}")
    huge = head + b"Content-Type: application/json\r\nContent-Length: 4194304\r\n\r\n" + b" " * 4194304
    assert b" 413 " in await send(huge)
    assert b" 400 " in await send(head + b"Content-Type: application/json\r\nContent-Length: 5\r\n\r\n{oops")
    await cluster.kubectl("get", "configmaps")


async def test_a_second_master_on_the_same_port_or_folder_says_so(cluster: Cluster) -> None:
    other = cluster.control.folder / "other.yaml"
    settings = yaml.safe_load(cluster.master_config.read_text())
    other.write_text(yaml.safe_dump(settings))
    same_folder = Daemon(cluster.control, "master", "run", "--config", str(other))
    same_folder.log = cluster.control.folder / "same-folder.log"
    await same_folder.start()
    assert await same_folder.exited(30) != 0
    assert "another process has this store open" in same_folder.tail(), same_folder.tail()
    settings |= {
        "data_dir": str(cluster.control.folder / "other"),
        "kubeconfig": str(cluster.control.folder / "other.kubeconfig"),
    }
    other.write_text(yaml.safe_dump(settings))
    await cluster.control.run(sys.executable, "-m", "master", "init", "--config", str(other))
    same_port = Daemon(cluster.control, "master", "run", "--config", str(other))
    same_port.log = cluster.control.folder / "same-port.log"
    await same_port.start()
    assert await same_port.exited(30) != 0
    assert "in use" in same_port.tail(), same_port.tail()
    await cluster.kubectl("get", "nodes")


async def test_wrong_settings_are_named(cluster: Cluster) -> None:
    config = cluster.control.folder / "wrong.yaml"
    overlapping = f"{cluster.switch.SUBNET}.0/24"
    for settings, named in (
        ({"data_dirr": "/x"}, "data_dirr"),
        ({"network": {"service_cidr": "10.244.0.0/20"}}, "service_cidr"),
        ({"network": {"cluster_cidr": "nonsense"}}, "cluster_cidr"),
        ({"network": {"cluster_cidr": "198.18.0.0/16"}}, overlapping),
    ):
        folder = {"data_dir": str(cluster.control.folder / "wrong")} if "data_dirr" not in settings else {}
        config.write_text(
            yaml.safe_dump({**settings, **folder, "kubeconfig": str(cluster.control.folder / "wrong.kubeconfig")})
        )
        await cluster.control.run(sys.executable, "-m", "master", "init", "--config", str(config), check=False)
        completed = await cluster.control.run(
            sys.executable, "-m", "master", "run", "--config", str(config), check=False, timeout=30
        )
        assert completed.returncode != 0
        assert named in completed.stderr, completed.stderr
        assert "Traceback" not in completed.stderr


async def test_an_agent_without_docker_says_so_and_recovers(cluster: Cluster) -> None:
    node = cluster.nodes["two"]
    before = await node.containers()
    config = node.host.folder / "etc" / "config.yaml"
    good = config.read_text()
    await node.agent.stop()
    config.write_text(good.replace("docker.sock", "missing.sock"))
    await node.agent.start()
    try:

        async def not_ready() -> None:
            assert await cluster.node_condition("two") == "False"
            assert node.agent.running

        await eventually(not_ready, seconds=30)
        described = await cluster.kubectl("describe", "node", "two")
        assert "container runtime" in described.lower()
    finally:
        await node.agent.stop()
        config.write_text(good)
        await node.agent.start()
    await cluster.nodes_ready("two")
    assert await node.containers() == before


async def test_a_broken_checkpoint_is_set_aside_and_republished(cluster: Cluster) -> None:
    await cluster.kubectl.apply(json.dumps(app_deployment("steady", replicas=2)))
    await cluster.kubectl("rollout", "status", "deployment/steady", "--timeout=60s")
    node = cluster.nodes["one"]
    before = await node.containers()
    await node.agent.stop()
    records = [path for path in (node.host.folder / "agent").rglob("*") if path.is_file() and "checkpoint" in str(path)]
    assert records
    for number, path in enumerate(records):
        content = bytearray(path.read_bytes())
        if content:
            path.write_bytes(bytes(content[: len(content) // 2]) if number % 2 else bytes((content[0] ^ 0xFF,)) + content[1:])
    await node.agent.start()
    await cluster.nodes_ready("one")
    await asyncio.sleep(4)
    assert await node.containers() == before


async def test_malformed_mqtt_payloads_harm_neither_side(cluster: Cluster) -> None:
    """A node's own certificate publishes rubbish on its topics: the master counts and ignores it, and goes on."""
    node = cluster.nodes["two"]
    await node.agent.stop()
    settings = yaml.safe_load((node.host.folder / "etc" / "config.yaml").read_text())
    topic = f"wherry/{settings['cluster']}/nodes/system:node:two/up"
    for what, payload in (
        ("hello", b"\xc1rubbish"),
        ("pods", b"\x90"),
        ("status", b"{}"),
        ("heartbeat", b""),
        ("nonsense", b"x"),
    ):
        file = node.host.folder / "payload"
        file.write_bytes(payload or b"\0")
        publisher = await node.host.popen(
            sys.executable,
            "-m",
            "tests.cluster.publish",
            str(node.host.folder / "etc" / "config.yaml"),
            f"{topic}/{what}",
            str(file),
        )
        try:
            assert await asyncio.wait_for(publisher.wait(), 20) == 0
        finally:
            await stop(publisher)
    await node.agent.start()
    await cluster.nodes_ready("two")
    assert cluster.master.running
    assert "Traceback" not in cluster.master.tail(400)
