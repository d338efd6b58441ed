"""exec, attach, cp, logs, port-forward, debug and proxy through every kubectl that the machine has, against a real node.

kubectl up to 1.30 speaks SPDY; later ones speak WebSocket, and SPDY inside it for port-forward.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually, kubectl_programs
from tests.cluster.manifests import app_deployment, app_service, manifest
from tests.hosts.host import stop

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

EVERY = sorted(version for version in kubectl_programs() if version != "default") or ["default"]
#: One of each way to speak: SPDY, and the oldest and newest of WebSocket.
SOME = [version for version in ("1.27", "1.31", "1.33") if version in EVERY] or EVERY[:1]
IMAGE = "wherry-test/app:1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(nodes=("one",)) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pod(cluster: Cluster) -> str:
    """A pod of the app, ready, beside its Service."""
    await cluster.kubectl.apply(manifest(app_deployment(replicas=1), app_service()))
    await cluster.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    return (await cluster.kubectl("get", "pods", "-l", "app=app", "-o", "jsonpath={.items[0].metadata.name}")).strip()


async def shell(kubectl: Kubectl, script: str, **more: str) -> str:
    """Run a script with $K as this kubectl."""
    environment = {**kubectl.environment, "K": kubectl.program, **more}
    return (await kubectl.host.run("bash", "-ec", script, env=environment, timeout=60)).stdout


@pytest.mark.parametrize("version", EVERY)
async def test_every_kubectl_execs_copies_follows_and_forwards(
    cluster: Cluster, pod: str, version: str, tmp_path: Path
) -> None:
    kubectl = cluster.kubectl_of(version)
    failed = await kubectl.run("exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert failed.stderr == "err\ncommand terminated with exit code 7\n"
    assert await kubectl("exec", "-i", pod, "--", "cat", stdin="through\n") == "through\n"
    script = """
        head -c 3000000 /dev/urandom >large
        $K exec -i $POD -- cat <large | cmp - large
        $K exec $POD -- head -c 3000000 /dev/zero | wc -c
        mkdir -p from/below && cp large from/below/ && echo text >from/a
        $K cp from $POD:/tmp/there-$V >/dev/null && $K cp $POD:/tmp/there-$V back >/dev/null
        diff -r from back && echo same
    """
    assert (await shell(kubectl, f"cd {tmp_path}\n{script}", POD=pod, V=version)).split() == ["3000000", "same"]
    async with forwarded(kubectl, f"pod/{pod}") as port:
        assert await fetched(kubectl, port) == pod
    async with forwarded(kubectl, "service/app", target=80) as port:
        assert await fetched(kubectl, port) == pod


@asynccontextmanager
async def forwarded(kubectl: Kubectl, what: str, *, target: int = 8080, **env: str) -> AsyncIterator[int]:
    """kubectl port-forward while the block lasts; its local port."""
    log = kubectl.home / "forward.txt"
    log.unlink(missing_ok=True)
    environment = {**kubectl.environment, **env}
    process = await kubectl.host.popen(kubectl.program, "port-forward", what, f":{target}", log=log, env=environment)

    async def listening() -> int:
        match = re.search(r"127\.0\.0\.1:(\d+) -> ", log.read_text())
        assert match, log.read_text()
        return int(match[1])

    try:
        yield await eventually(listening, seconds=10)
    finally:
        await stop(process)


async def fetched(kubectl: Kubectl, port: int) -> str:
    answer = await kubectl.host.run("busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:{port}/", timeout=10)
    return answer.stdout.strip()


@pytest.mark.parametrize("websockets", ["true", "false"])
async def test_port_forward_in_websocket_and_in_spdy_says_what_the_pod_refuses(
    cluster: Cluster, pod: str, websockets: str
) -> None:
    kubectl = cluster.kubectl_of("1.33" if "1.33" in EVERY else "default")
    async with forwarded(kubectl, f"pod/{pod}", KUBECTL_PORT_FORWARD_WEBSOCKETS=websockets) as port:
        async with asyncio.TaskGroup() as tasks:
            fetching = [tasks.create_task(fetched(kubectl, port)) for _ in range(8)]
        assert [task.result() for task in fetching] == [pod] * 8
    async with forwarded(kubectl, f"pod/{pod}", target=81, KUBECTL_PORT_FORWARD_WEBSOCKETS=websockets) as port:
        refused = await kubectl.host.run("busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:{port}/", check=False)
        assert refused.returncode != 0
        log = kubectl.home / "forward.txt"

        async def told() -> None:
            assert "failed to connect to localhost:81 inside the pod" in log.read_text(), log.read_text()

        await eventually(told, seconds=10)


@pytest.mark.parametrize("version", SOME)
async def test_attach_joins_a_containers_own_streams(cluster: Cluster, version: str) -> None:
    kubectl = cluster.kubectl_of(version)
    name = f"cat-{version.replace('.', '-')}"
    run = ("run", name, f"--image={IMAGE}", "--image-pull-policy=Never", "--restart=Never")
    echoed = await kubectl(
        "run", *run[1:], "-i", "--rm", "--quiet", "--", "sh", "-c", "read line; echo got $line", stdin="hello\n"
    )
    assert echoed.splitlines()[0] == "got hello"
    await kubectl(*run, "--", "sh", "-c", "while :; do echo beat; echo err >&2; sleep 0.2; done")
    await kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=20s")
    attached = await kubectl.host.run("timeout", "2", kubectl.program, "attach", name, env=kubectl.environment, check=False)
    assert "beat\n" in attached.stdout
    assert "err\n" in attached.stderr
    await kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")


@pytest.mark.parametrize("version", SOME)
async def test_what_cannot_be_joined_is_said_as_kubernetes_does(cluster: Cluster, version: str) -> None:
    kubectl = cluster.kubectl_of(version)
    name = f"ended-{version.replace('.', '-')}"
    await kubectl("run", name, f"--image={IMAGE}", "--image-pull-policy=Never", "--restart=Never", "--", "true")
    await kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s")
    refused = await kubectl.run("exec", name, "--", "true")
    assert refused.returncode == 1
    assert "cannot exec into a container in a completed pod" in refused.stderr
    answer = await kubectl.run("exec", "none", "--", "true")
    assert 'pods "none" not found' in answer.stderr
    two = json.loads(
        await kubectl("run", f"{name}-2", f"--image={IMAGE}", "--dry-run=client", "-o", "json", "--", "sleep", "100")
    )
    (first,) = two["spec"]["containers"]
    first["imagePullPolicy"] = "Never"
    first["name"] = "runs"
    two["spec"]["containers"].append({**first, "name": "never", "args": ["true"]})
    two["spec"]["restartPolicy"] = "Never"
    two["spec"]["terminationGracePeriodSeconds"] = 1
    await kubectl.apply(json.dumps(two))
    await kubectl("wait", f"pod/{name}-2", "--for=jsonpath={.status.containerStatuses[1].state.terminated.reason}=Completed")
    refused = await kubectl.run("exec", f"{name}-2", "-c", "never", "--", "true")
    assert refused.returncode == 1
    assert 'container not found ("never")' in refused.stderr
    refused = await kubectl.run("exec", f"{name}-2", "-c", "other", "--", "true")
    assert f"container other is not valid for pod {name}-2" in refused.stderr
    missing = await kubectl.run("exec", f"{name}-2", "-c", "runs", "--", "no-such-program")
    assert missing.returncode in (1, 126, 127)
    assert "no-such-program" in missing.stderr + missing.stdout
    await kubectl("delete", "pod", name, f"{name}-2", "--wait=false")


@pytest.mark.parametrize("version", SOME)
async def test_debug_adds_a_container_that_sees_its_targets_processes(cluster: Cluster, version: str) -> None:
    kubectl = cluster.kubectl_of(version)
    name = f"debugged-{version.replace('.', '-')}"
    await kubectl("run", name, f"--image={IMAGE}", "--image-pull-policy=Never", "--", "sleep", "4321")
    await kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=20s")
    debug = ("debug", name, f"--image={IMAGE}", "--image-pull-policy=IfNotPresent")
    seen = await kubectl(
        *debug, "-i", "--quiet", f"--target={name}", "-c", "look", "--", "sh", "-c", "read line; echo $line; ps", stdin="hi\n"
    )
    assert "sleep 4321" in seen
    assert "hi" in seen
    await kubectl(*debug, "-c", "stays", "--", "sleep", "1000")

    async def runs() -> None:
        statuses = (await kubectl.json("get", "pod", name))["status"]["ephemeralContainerStatuses"]
        states = {one["name"]: next(iter(one["state"])) for one in statuses}
        assert states == {"look": "terminated", "stays": "running"}

    await eventually(runs, seconds=20)
    assert "sleep 4321" in await kubectl("logs", name, "-c", "look")
    assert (await kubectl("exec", name, "-c", "stays", "--", "hostname")).strip() == name
    assert "Ephemeral Containers:" in await kubectl("describe", "pod", name)
    await kubectl(*debug, f"--copy-to={name}-copy", "--share-processes", "-c", "look", "--", "sleep", "1000")
    await kubectl("wait", f"pod/{name}-copy", "--for=condition=Ready", "--timeout=20s")
    assert "sleep 4321" in await kubectl("exec", f"{name}-copy", "-c", "look", "--", "ps")
    await kubectl("delete", "pod", name, f"{name}-copy", "--grace-period=1", "--wait=false")


@pytest.mark.parametrize("version", SOME)
async def test_debug_of_a_node_sees_the_node(cluster: Cluster, version: str) -> None:
    kubectl = cluster.kubectl_of(version)
    seen = await kubectl(
        "debug", "node/one", f"--image={IMAGE}", "-i", "--quiet", "--profile=general",
        "--", "sh", "-c", "read line; echo $line; ls /host/etc/hostname; ps | grep -c dockerd", stdin="hi\n",
    )  # fmt: skip
    assert "/host/etc/hostname" in seen
    assert int(seen.split()[-1]) > 1, "it has the node's processes"
    pods = await kubectl("get", "pods", "-o", "name")
    (name,) = re.findall(r"pod/(node-debugger-one-\S+)", pods)
    await kubectl("delete", "pod", name, "--grace-period=1", "--wait=false")


@pytest.mark.parametrize("version", SOME)
async def test_proxy_reaches_pods_services_and_nodes(cluster: Cluster, pod: str, version: str) -> None:
    kubectl = cluster.kubectl_of(version)
    base = "/api/v1/namespaces/default"
    assert (await kubectl("get", "--raw", f"{base}/pods/{pod}/proxy/")).strip() == pod
    assert (await kubectl("get", "--raw", f"{base}/services/app:http/proxy/index.html")).strip() == pod
    assert (await kubectl("get", "--raw", f"{base}/services/http:app:80/proxy/")).strip() == pod
    missing = await kubectl.run("get", "--raw", f"{base}/pods/{pod}:81/proxy/")
    assert "error trying to reach service: dial tcp" in missing.stderr
    assert "connection refused" in missing.stderr
    assert await kubectl("get", "--raw", "/api/v1/nodes/one/proxy/healthz") == "ok"
    names = [
        one["metadata"]["name"] for one in json.loads(await kubectl("get", "--raw", "/api/v1/nodes/one/proxy/pods"))["items"]
    ]
    assert pod in names
    assert "process_cpu_seconds_total" in await kubectl("get", "--raw", "/api/v1/nodes/one/proxy/metrics")
    script = f"""
        $K proxy --port=0 --accept-paths='^/api/.*' --www-prefix=/w/ >{kubectl.home}/proxy.txt &
        trap "kill $!" EXIT
        for i in $(seq 50); do grep -q Starting {kubectl.home}/proxy.txt && break; sleep 0.1; done
        at=$(sed 's/.* //' {kubectl.home}/proxy.txt)
        busybox wget -q -O - http://$at{base}/services/app:http/proxy/
        busybox wget -q -O - http://$at/version && echo not refused
        true
    """
    assert (await shell(kubectl, script)).strip() == pod
