"""What keeps pods apart and tells how they are: probes, security contexts, limits, devices, admission; through real kubectl.

One cluster of one node; all pods are made together and each test waits for its own.
"""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from agent.kubelet.admission.app_armor import app_armor_enabled
from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.manifests import manifest
from tests.e2e.pods import FOREVER, log_of, pod, run_in, sh, status, until_phase, until_ready, until_reason
from tests.integration import grpc_health

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

Json = dict[str, Any]
PIDS = 150
SETTINGS: Json = {
    "pod_pids_limit": PIDS,
    "allowed_unsafe_sysctls": ["net.core.somaxconn"],
    "system_reserved": {"cpu": "300m", "memory": "64Mi", "ephemeral_storage": "1Gi", "pid": "1000"},
    "extended_resources": {
        "example.com/dev": {"ids": ["zero", "full"], "devices": ["/dev/{id}:/dev/given-{id}:r"], "env": {"DEVS": "{ids}"}},
        "example.com/licence": {"count": 3},
    },
}
REDUCED = {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CAP_CHOWN"]}}
NO_MKDIR = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
}


def grpc_pod() -> Json:
    """A real gRPC server, run by this test's own Python with what it needs of the host."""
    packages = Path(grpc.__file__).parent.parent
    folders = [Path("/usr"), Path("/lib"), Path("/lib64"), Path(sys.base_prefix), packages]
    needed: list[Path] = []
    for folder in folders:
        if folder.exists() and not any(folder.is_relative_to(known) for known in needed):
            needed.append(folder)
    program = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    source = Path(grpc_health.__file__).read_text()
    container = sh("") | {
        "command": [str(program), "-c", source, "5000", "/tmp/state"],
        "env": [{"name": "PYTHONPATH", "value": str(packages)}],
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            *({"name": f"v{number}", "mountPath": str(path), "readOnly": True} for number, path in enumerate(needed)),
        ],
        "readinessProbe": {
            "grpc": {"port": 5000, "service": "shop"},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 1,
        },
    }
    state = {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}
    return pod(
        "grpc", container,
        initContainers=[sh("echo SERVING > /tmp/state", "state", **state)],
        volumes=[
            {"name": "tmp", "emptyDir": {}},
            *({"name": f"v{number}", "hostPath": {"path": str(path)}} for number, path in enumerate(needed)),
        ],
    )  # fmt: skip


def probed(name: str, **probes: Json) -> Json:
    return pod(name, sh(FOREVER) | {kind: {"periodSeconds": 1, **probe} for kind, probe in probes.items()})


def classed(name: str, runtime_class: str) -> Json:
    return pod(name, sh(FOREVER), runtimeClassName=runtime_class)


def pods() -> list[Json]:
    secure = {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000]}
    closed = {"tcpSocket": {"port": 81}, "failureThreshold": 2}
    state = "exec 2>&1; id; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; touch /x; true"
    sysctls = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "80"}, {"name": "net.core.somaxconn", "value": "99"}]
    profile = {"type": "Localhost", "localhostProfile": "no-mkdir.json"}
    half = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}}
    small = {"limits": {"memory": "24Mi"}}
    eating = "tail /dev/zero"
    strict = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, **REDUCED}
    return [
        grpc_pod(),
        probed("closed-tcp", livenessProbe=closed),
        probed("closed-http", readinessProbe={"httpGet": {"port": 81, "path": "/health"}}),
        probed("closed-grpc", readinessProbe={"grpc": {"port": 81}}),
        probed("slow-exec", readinessProbe={"exec": {"command": ["sh", "-c", "sleep 4711; true"]}, "timeoutSeconds": 1}),
        pod("secured", sh(state, securityContext=strict), restartPolicy="Never",
            securityContext={**secure, "seccompProfile": {"type": "RuntimeDefault"}, "seLinuxOptions": {"level": "s0:c1,c2"}}),
        pod("open", sh(state, securityContext={"seccompProfile": {"type": "Unconfined"}, "windowsOptions": {}}),
            restartPolicy="Never"),
        pod("privileged", sh(state, securityContext={"privileged": True}), restartPolicy="Never"),
        pod("profile", sh("mkdir /made; true", securityContext={"seccompProfile": profile}), restartPolicy="Never"),
        pod("no-profile", sh(FOREVER, securityContext={"seccompProfile": profile | {"localhostProfile": "gone.json"}})),
        pod("unknown-capability", sh(FOREVER, securityContext={"capabilities": {"add": ["FLY"]}})),
        pod("root", sh(FOREVER), securityContext={"runAsNonRoot": True}),
        pod("sysctls", sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/core/somaxconn"),
            restartPolicy="Never", securityContext={"sysctls": sysctls}),
        pod("unsafe", sh(FOREVER), securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1000"}]}),
        pod("armored", sh(FOREVER, securityContext={"appArmorProfile": {"type": "RuntimeDefault"}})),
        pod("own-users", sh(FOREVER), hostUsers=False),
        classed("class-runc", "plain"),
        classed("class-unknown", "unknown"),
        pod("limited", sh(FOREVER, resources=half)),
        pod("guaranteed", sh(FOREVER, resources={"limits": {"cpu": "100m", "memory": "32Mi"}})),
        pod("eats", sh(f"exec {eating}", resources=small), restartPolicy="Never"),
        pod("child-eats", sh(f"{eating}; exit $?", resources=small), restartPolicy="Never"),
        pod("bomb", sh("while :; do sleep 3600 & done"), restartPolicy="Never"),
        pod("device-1", sh("ls /dev | grep given; echo $DEVS; " + FOREVER,
                           resources={"limits": {"example.com/dev": "1", "example.com/licence": "2"}})),
        pod("device-2", sh("ls /dev | grep given; echo $DEVS; " + FOREVER, resources={"limits": {"example.com/dev": "1"}})),
        pod("too-large", sh(FOREVER, resources={"requests": {"cpu": "1000"}}), nodeName="one"),
        pod("wrong-node", sh(FOREVER), nodeName="one", nodeSelector={"disk": "none"}),
        pod("neighbour", sh(FOREVER)),
    ]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(("one",), agent_settings={"kubelet": SETTINGS}) as made:
        profiles = made.nodes["one"].host.folder / "agent" / "kubelet" / "seccomp"
        profiles.mkdir(parents=True, exist_ok=True)
        (profiles / "no-mkdir.json").write_text(json.dumps(NO_MKDIR))
        classes = [
            {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler}
            for name, handler in (("plain", "runc"), ("unknown", "kata"))
        ]
        await made.kubectl.apply(manifest(*classes))
        await made.kubectl.apply(manifest(*pods()))
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


async def until_event(kubectl: Kubectl, name: str, reason: str, text: str) -> None:
    """Wait for an event of a pod with this reason whose message has this text."""

    async def check() -> None:
        listed = await kubectl.json("get", "events", f"--field-selector=involvedObject.name={name},reason={reason}")
        messages = [event["message"] for event in listed["items"]]
        assert any(text in message for message in messages), messages

    await eventually(check, seconds=30)


async def rejected(kubectl: Kubectl, name: str) -> tuple[str, str]:
    found = await until_phase(kubectl, name, "Failed")
    assert "containerStatuses" not in found
    assert found["message"].startswith("Pod was rejected: ")
    return found["reason"], found["message"].removeprefix("Pod was rejected: ")


async def test_grpc_probes_follow_what_a_servers_health_service_says(kubectl: Kubectl) -> None:
    # Its Python starts while all the other pods do.
    await kubectl("wait", "--for=condition=Ready", "--timeout=50s", "pod/grpc")
    await run_in(kubectl, "grpc", "echo NOT > /tmp/state")
    text = 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")'
    await until_event(kubectl, "grpc", "Unhealthy", text)
    await kubectl("wait", "--for=condition=Ready=False", "--timeout=20s", "pod/grpc")
    await run_in(kubectl, "grpc", "echo SERVING > /tmp/state")
    await until_ready(kubectl, "grpc")


async def test_a_closed_port_is_told_in_events_and_restarts_only_what_its_liveness_names(kubectl: Kubectl) -> None:
    refused = "connect: connection refused"
    await until_event(kubectl, "closed-tcp", "Unhealthy", "Liveness probe failed: dial tcp ")
    await until_event(kubectl, "closed-tcp", "Killing", "Container main failed liveness probe, will be restarted")
    await until_event(kubectl, "closed-http", "Unhealthy", 'Readiness probe failed: Get "http://')
    address = (await status(kubectl, "closed-http"))["podIP"]
    await until_event(kubectl, "closed-http", "Unhealthy", f':81/health": dial tcp {address}:81: {refused}')
    await until_event(kubectl, "closed-grpc", "Unhealthy", "Readiness probe failed: timeout: failed to connect service ")
    for name in ("closed-http", "closed-grpc"):
        container = (await status(kubectl, name))["containerStatuses"][0]
        assert (container["ready"], container["restartCount"]) == (False, 0)


async def test_a_command_that_overruns_its_time_is_ended(kubectl: Kubectl) -> None:
    text = 'Readiness probe failed: command timed out: "sh -c sleep 4711; true" timed out after 1s'
    await until_event(kubectl, "slow-exec", "Unhealthy", text)

    async def check() -> None:
        listed = await kubectl.json("get", "events", "--field-selector=involvedObject.name=slow-exec,reason=Unhealthy")
        assert sum(event["count"] for event in listed["items"]) >= 3

    await eventually(check, seconds=20)
    running = (await run_in(kubectl, "slow-exec", "ps")).count("sleep 4711")
    assert running <= 2, "only the command that runs now: its shell and its child"


async def test_processes_run_as_their_security_context_says(cluster: Cluster, kubectl: Kubectl) -> None:
    for name in ("secured", "open"):
        await until_phase(kubectl, name, "Succeeded")
    identity, *said = await log_of(kubectl, "secured")
    assert identity == "uid=1000 gid=3000 groups=2000,3000,4000"
    # CAP_CHOWN is bit 0, CAP_NET_BIND_SERVICE bit 10.
    assert said[:3] == ["CapBnd:\t0000000000000401", "NoNewPrivs:\t1", "Seccomp:\t2"]
    assert said[3] == "touch: /x: Read-only file system"
    opened = await log_of(kubectl, "open")
    assert opened[0].startswith(("uid=0 gid=0", "uid=0(root) gid=0(root)"))
    assert opened[2:4] == ["NoNewPrivs:\t0", "Seccomp:\t0"]
    # An engine that lacks powers itself cannot start a privileged one: what it was asked is looked at.
    listed = await cluster.nodes["one"].host.docker(
        "ps", "-aq", "--filter", "label=io.wherry.pod.name=privileged", "--filter", "label=io.wherry.container.name=main"
    )
    privileged = await cluster.nodes["one"].host.docker("inspect", "-f", "{{.HostConfig.Privileged}}", *listed.stdout.split())
    assert privileged.stdout.strip() == "true"


async def test_a_seccomp_profile_of_the_node_holds_and_a_missing_one_is_named(kubectl: Kubectl) -> None:
    await until_phase(kubectl, "profile", "Succeeded")
    assert await log_of(kubectl, "profile") == ["mkdir: can't create directory '/made': Operation not permitted"]
    waiting = await until_reason(kubectl, "no-profile", "CreateContainerError")
    assert "cannot load seccomp profile" in waiting["message"]
    assert waiting["message"].endswith("gone.json: no such file or directory")
    assert "FLY" in (await until_reason(kubectl, "unknown-capability", "CreateContainerError"))["message"]


async def test_a_pod_that_must_not_be_root_is_not(kubectl: Kubectl) -> None:
    waiting = await until_reason(kubectl, "root", "CreateContainerConfigError")
    assert waiting["message"].startswith('container has runAsNonRoot and image will run as root (pod: "root_default(')


async def test_sysctls_are_set_when_safe_or_allowed_and_refused_otherwise(kubectl: Kubectl) -> None:
    await until_phase(kubectl, "sysctls", "Succeeded")
    assert await log_of(kubectl, "sysctls") == ["80", "99"]
    reason, message = await rejected(kubectl, "unsafe")
    assert (reason, message) == ("SysctlForbidden", 'forbidden sysctl: "kernel.msgmax" not allowlisted')
    await until_event(kubectl, "unsafe", "SysctlForbidden", message)


async def test_app_armor_is_enforced_or_the_pod_refused(kubectl: Kubectl) -> None:
    if app_armor_enabled():
        await until_ready(kubectl, "armored")
    else:
        text = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
        assert await rejected(kubectl, "armored") == ("AppArmor", text)


async def test_users_of_its_own_and_unknown_runtimes_are_told_to_be_missing(kubectl: Kubectl) -> None:
    users = "Failed to create pod sandbox: can't set `spec.hostUsers: false`, runtime does not support user namespaces"
    await until_event(kubectl, "own-users", "FailedCreatePodSandBox", users)
    await until_event(kubectl, "class-unknown", "FailedCreatePodSandBox", 'no runtime for "kata" is configured')
    await until_ready(kubectl, "class-runc")
    for name in ("own-users", "class-unknown"):
        assert (await status(kubectl, name))["phase"] == "Pending"


async def test_requests_and_limits_are_the_kernels(kubectl: Kubectl) -> None:
    await until_ready(kubectl, "limited", "guaranteed", "neighbour")
    first = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
    assert await run_in(kubectl, "limited", first) == str(64 << 20)
    quota = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
    assert await run_in(kubectl, "limited", quota) == "50000"
    pids = "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max"
    assert await run_in(kubectl, "limited", pids) == str(PIDS)
    scores = {}
    for name, quality in (("guaranteed", "Guaranteed"), ("limited", "Burstable"), ("neighbour", "BestEffort")):
        assert (await status(kubectl, name))["qosClass"] == quality
        scores[quality] = int(await run_in(kubectl, name, "cat /proc/1/oom_score_adj"))
    assert scores["Guaranteed"] < scores["Burstable"] < scores["BestEffort"] == 1000


async def test_running_out_of_memory_is_told_also_of_a_child(kubectl: Kubectl) -> None:
    for name in ("eats", "child-eats"):
        ended = (await until_phase(kubectl, name, "Failed"))["containerStatuses"][0]["state"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137), name


async def test_a_container_that_forks_without_end_harms_no_other(cluster: Cluster, kubectl: Kubectl) -> None:
    async def bounded() -> None:
        said = await log_of(kubectl, "bomb", "--tail=1")
        assert said, "it has not met its limit yet"
        assert "can't fork" in said[0]

    await eventually(bounded, seconds=30)
    await until_ready(kubectl, "neighbour")
    assert await run_in(kubectl, "neighbour", "echo fine") == "fine"
    assert (await status(kubectl, "neighbour"))["containerStatuses"][0]["restartCount"] == 0
    assert await cluster.node_condition("one") == "True"


async def test_a_node_shows_what_it_has_less_what_it_keeps(kubectl: Kubectl) -> None:
    found = (await kubectl.json("get", "node", "one"))["status"]
    capacity, allocatable = found["capacity"], found["allocatable"]
    assert allocatable["cpu"] == f"{int(capacity['cpu']) * 1000 - 300}m"
    assert int(capacity["memory"][:-2]) - int(allocatable["memory"][:-2]) >= 64 * 1024
    assert int(capacity["ephemeral-storage"][:-2]) * 1024 - int(allocatable["ephemeral-storage"]) >= 1 << 30
    for resources in (capacity, allocatable):
        assert (resources["example.com/dev"], resources["example.com/licence"]) == ("2", "3")
        assert "hugepages-2Mi" in resources
    assert found["features"] == {"supplementalGroupsPolicy": False}
    assert "runc" in [handler["name"] for handler in found["runtimeHandlers"]]


async def test_what_the_node_cannot_take_fails_with_kubernetes_reasons(kubectl: Kubectl) -> None:
    reason, message = await rejected(kubectl, "too-large")
    assert reason == "OutOfcpu"
    assert message.startswith("Node didn't have enough resource: cpu, requested: 1000000, used: ")
    text = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert await rejected(kubectl, "wrong-node") == ("NodeAffinity", text)
    await until_event(kubectl, "wrong-node", "NodeAffinity", text)


async def test_devices_belong_to_one_pod_each_over_the_agents_death(cluster: Cluster, kubectl: Kubectl) -> None:
    await until_ready(kubectl, "device-1", "device-2")
    given = {name: await log_of(kubectl, name) for name in ("device-1", "device-2")}
    assert sorted(given.values()) == [["given-full", "full"], ["given-zero", "zero"]]
    running = await cluster.nodes["one"].containers()
    await cluster.nodes["one"].agent.kill()
    await cluster.nodes["one"].agent.start()
    device = {"limits": {"example.com/dev": "1"}}
    await kubectl.apply(manifest(pod("device-3", sh(FOREVER, resources=device), nodeName="one")))
    text = "requested number of devices unavailable for example.com/dev. Requested: 1, Available: 0"
    refused = await rejected(kubectl, "device-3")
    assert refused == ("UnexpectedAdmissionError", f"Allocate failed due to {text}, which is unexpected")
    await kubectl("delete", "pod", "device-1", "--wait=true")
    await kubectl.apply(manifest(pod("device-4", sh("echo $DEVS; " + FOREVER, resources=device))))
    await until_ready(kubectl, "device-4")
    assert await log_of(kubectl, "device-4") == [given["device-1"][1]]
    # What ran before the agent's death runs on, judged by nobody anew.
    left = await cluster.nodes["one"].containers()
    assert all(left[one] == since for one, since in running.items() if one in left)
    assert (await status(kubectl, "device-2"))["containerStatuses"][0]["restartCount"] == 0
