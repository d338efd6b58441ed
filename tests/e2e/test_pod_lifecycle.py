"""How pods begin, change and end, in Kubernetes' words, each through real kubectl on a cluster of one node."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.manifests import manifest
from tests.e2e.pods import (
    FOREVER,
    pod,
    run_in,
    sh,
    status,
    until_phase,
    until_ready,
    until_reason,
    until_restarted,
)

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

Json = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(("one",), agent_settings={"kubelet": {"pod_pids_limit": 64}}) as made:
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


def by_name(shown: Json) -> dict[str, Json]:
    return {one["name"]: one for one in shown["containerStatuses"]}


def conditions(shown: Json) -> dict[str, Json]:
    return {one["type"]: one for one in shown["conditions"]}


async def events(kubectl: Kubectl, name: str) -> list[tuple[str, str]]:
    found = await kubectl.json("get", "events", "--field-selector", f"involvedObject.name={name}")
    return [(one["reason"], one["message"]) for one in found["items"]]


async def resize(kubectl: Kubectl, name: str, *containers: Json) -> None:
    patch = json.dumps({"spec": {"containers": list(containers)}})
    await kubectl("patch", "pod", name, "--subresource", "resize", "--patch", patch)


def amounts(cpu: str, memory: str) -> Json:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


async def test_resources_change_in_place_or_by_a_restart_as_the_policy_says(kubectl: Kubectl, cluster: Cluster) -> None:
    restarts = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    await kubectl.apply(
        manifest(
            pod(
                "resized",
                sh(FOREVER, "kept", resources=amounts("50m", "32Mi")),
                sh(FOREVER, "renewed", resources=amounts("50m", "32Mi"), resizePolicy=restarts),
            ),
        )
    )
    await until_ready(kubectl, "resized")
    before = await status(kubectl, "resized")
    assert by_name(before)["kept"]["resources"] == amounts("50m", "32Mi")
    assert by_name(before)["kept"]["allocatedResources"] == {"cpu": "50m", "memory": "32Mi"}
    bigger = amounts("100m", "64Mi")
    await resize(kubectl, "resized", {"name": "kept", "resources": bigger}, {"name": "renewed", "resources": bigger})

    async def done() -> Json:
        shown = await status(kubectl, "resized")
        assert {one["name"]: one["resources"] for one in shown["containerStatuses"]} == {"kept": bigger, "renewed": bigger}
        assert not conditions(shown).keys() & {"PodResizePending", "PodResizeInProgress"}
        assert conditions(shown)["Ready"]["status"] == "True"
        return shown

    after = await eventually(done, seconds=20)
    assert by_name(after)["kept"]["restartCount"] == 0
    assert by_name(after)["kept"]["containerID"] == by_name(before)["kept"]["containerID"]
    assert by_name(after)["renewed"]["restartCount"] == 1
    assert by_name(after)["kept"]["allocatedResources"] == bigger["requests"]
    for name, container in by_name(after).items():
        container_id = container["containerID"].removeprefix("docker://")
        host = json.loads((await cluster.nodes["one"].host.docker("inspect", container_id)).stdout)[0]["HostConfig"]
        assert (host["CpuQuota"], host["Memory"], host["MemorySwap"]) == (10_000, 64 << 20, 64 << 20), name
    said = await events(kubectl, "resized")
    assert ("Killing", "Container renewed resize requires restart") in said
    assert {"ResizeStarted", "ResizeCompleted"} <= {reason for reason, _ in said}
    assert not [message for reason, message in said if reason == "Killing" and "kept" in message]


async def test_a_new_image_restarts_only_its_container(kubectl: Kubectl) -> None:
    await kubectl.apply(manifest(pod("image", sh(FOREVER, "kept"), sh(FOREVER, "changed"))))
    await until_ready(kubectl, "image")
    before = by_name(await status(kubectl, "image"))
    await kubectl("set", "image", "pod/image", "changed=wherry-test/app:2")

    async def done() -> dict[str, Json]:
        shown = by_name(await status(kubectl, "image"))
        assert shown["changed"]["image"] == "wherry-test/app:2"
        assert shown["changed"]["ready"]
        return shown

    after = await eventually(done, seconds=20)
    assert after["changed"]["restartCount"] == 1
    assert (after["kept"]["containerID"], after["kept"]["restartCount"]) == (before["kept"]["containerID"], 0)
    assert ("Killing", "Container changed definition changed, will be restarted") in await events(kubectl, "image")


async def test_hooks_run_and_what_fails_of_them_is_told(kubectl: Kubectl) -> None:
    failing = {"postStart": {"exec": {"command": ["sh", "-c", "echo no; exit 3"]}}}
    slow = {"postStart": {"exec": {"command": ["sleep", "4"]}}}
    serve = "mkdir /www && echo hi > /www/started && exec httpd -f -p 8080 -h /www"
    asking = {"postStart": {"httpGet": {"path": "/started", "port": 8080}}, "preStop": {"exec": {"command": ["false"]}}}
    sleepy = {"preStop": {"sleep": {"seconds": 60}}}
    await kubectl.apply(
        manifest(
            pod("hook-fails", sh(FOREVER, lifecycle=failing)),
            pod("hook-slow", sh(FOREVER, lifecycle=slow)),
            pod("hook-asks", sh(serve, lifecycle=asking)),
            pod("hook-sleeps", sh(FOREVER, lifecycle=sleepy), terminationGracePeriodSeconds=2),
        )
    )
    waiting = await until_reason(kubectl, "hook-fails", "PostStartHookError", "CrashLoopBackOff")
    if waiting["reason"] == "PostStartHookError":
        assert waiting["message"].startswith(
            'Exec lifecycle hook ([sh -c echo no; exit 3]) for Container "main" in Pod "hook-fails_'
        )
    said = await events(kubectl, "hook-fails")
    assert {("FailedPostStartHook", "PostStartHook failed"), ("Killing", "FailedPostStartHook")} <= set(said)
    shown = await status(kubectl, "hook-slow")
    if conditions(shown)["Ready"]["status"] != "True":
        assert shown["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}, shown
    await until_ready(kubectl, "hook-slow", "hook-sleeps")
    began = asyncio.get_running_loop().time()
    await kubectl("delete", "pod", "hook-sleeps")
    assert 2 <= asyncio.get_running_loop().time() - began < 10
    await kubectl("delete", "pod", "hook-asks", "--wait=false")

    async def told() -> None:
        assert ("FailedPreStopHook", "PreStopHook failed") in await events(kubectl, "hook-asks")

    await eventually(told, seconds=10)


async def test_a_forced_deletion_leaves_a_deaf_container_two_seconds(kubectl: Kubectl, cluster: Cluster) -> None:
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    await kubectl.apply(manifest(pod("forced", sh(deaf), terminationGracePeriodSeconds=300)))
    await until_ready(kubectl, "forced")
    await kubectl("delete", "pod", "forced", "--grace-period=0", "--force")
    assert "forced" not in await kubectl("get", "pods")

    async def gone() -> None:
        listed = await cluster.nodes["one"].host.docker("ps", "-aq", "--filter", "label=io.wherry.pod.name=forced")
        assert listed.stdout == ""

    await eventually(gone, seconds=10)


async def test_names_and_readiness_gates_and_last_words(kubectl: Kubectl) -> None:
    named = pod(
        "named", sh(FOREVER), hostname="web", subdomain="sub", setHostnameAsFQDN=True,
        hostAliases=[{"ip": "192.0.2.9", "hostnames": ["foo.example", "bar.example"]}],
        dnsConfig={"nameservers": ["192.0.2.53"], "searches": ["more.example"], "options": [{"name": "ndots", "value": "2"}]},
    )  # fmt: skip
    too_long = pod("too-long", sh(FOREVER), hostname="w" * 40, subdomain="s" * 20, setHostnameAsFQDN=True)
    gated = pod("gated", sh(FOREVER), readinessGates=[{"conditionType": "example.com/open"}])
    log = sh("echo from-the-log; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    long = sh("yes x | head -c 5000 > /dev/termination-log; printf end >> /dev/termination-log; exit 1")
    missing = sh("true", command=["/none"])
    never: Json = {"restartPolicy": "Never"}
    await kubectl.apply(
        manifest(
            named, too_long, gated,
            pod("says-log", log, **never), pod("says-much", long, **never), pod("missing", missing, **never),
        )
    )  # fmt: skip
    await until_ready(kubectl, "named")
    assert await run_in(kubectl, "named", "hostname") == "web.sub.default.svc.cluster.local"
    assert "192.0.2.9\tfoo.example\tbar.example" in await run_in(kubectl, "named", "cat /etc/hosts")
    resolver = await run_in(kubectl, "named", "cat /etc/resolv.conf")
    assert "nameserver 192.0.2.53" in resolver
    assert "more.example" in resolver
    assert "ndots:2" in resolver

    async def refused() -> None:
        (message,) = {message for reason, message in await events(kubectl, "too-long") if reason == "FailedCreatePodSandBox"}
        assert "is too long (64 characters is the max, 87 characters requested)" in message

    await eventually(refused, seconds=10)
    assert (await until_message(kubectl, "says-log"))["message"] == "from-the-log\n"
    much = (await until_message(kubectl, "says-much"))["message"]
    assert len(much) == 4096
    assert much.endswith("x\nend")
    ended = await until_message(kubectl, "missing")
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)

    async def closed() -> None:
        shown = conditions(await status(kubectl, "gated"))
        assert shown["ContainersReady"]["status"] == "True"
        assert shown["Ready"]["reason"] == "ReadinessGatesNotReady"

    await eventually(closed, seconds=10)
    opened = json.dumps({"status": {"conditions": [{"type": "example.com/open", "status": "True"}]}})
    await kubectl("patch", "pod", "gated", "--subresource", "status", "--patch", opened)
    await until_ready(kubectl, "gated")


async def until_message(kubectl: Kubectl, name: str) -> Json:
    """How the container of a pod that failed ended."""
    found: Json = (await until_phase(kubectl, name, "Failed"))["containerStatuses"][0]["state"]["terminated"]
    return found


async def test_a_lost_sandbox_is_made_anew_unless_the_pod_never_restarts(kubectl: Kubectl, cluster: Cluster) -> None:
    await kubectl.apply(manifest(pod("renews", sh(FOREVER)), pod("never-again", sh("exec sleep 3600"), restartPolicy="Never")))
    await until_ready(kubectl, "renews", "never-again")
    docker = cluster.nodes["one"].host.docker
    for name in ("renews", "never-again"):
        filters = ("--filter", f"label=io.wherry.pod.name={name}", "--filter", "label=io.wherry.kind=sandbox")
        await docker("kill", (await docker("ps", "-q", *filters)).stdout.strip())
    await until_phase(kubectl, "never-again", "Failed")
    await until_restarted(kubectl, "renews")
    await until_ready(kubectl, "renews")
    assert ("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.") in await events(kubectl, "renews")


async def test_a_container_that_forks_without_end_is_bounded_and_can_be_deleted(kubectl: Kubectl) -> None:
    await kubectl.apply(manifest(pod("forks", sh("while :; do sleep 1000 & done")), pod("neighbour", sh(FOREVER))))
    await until_ready(kubectl, "neighbour")

    async def bounded() -> None:
        said = [(await kubectl.run("logs", "forks", *argv)).stdout for argv in ((), ("--previous",))]
        assert any("can't fork" in one for one in said), said

    await eventually(bounded, seconds=20)
    assert await run_in(kubectl, "neighbour", "echo alive") == "alive"
    await kubectl("delete", "pod", "forks", timeout=30)
    assert by_name(await status(kubectl, "neighbour"))["main"]["restartCount"] == 0
