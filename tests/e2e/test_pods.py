"""What a pod may ask of its node, each thing through real kubectl on a cluster of one node."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.load import get
from tests.cluster.manifests import manifest
from tests.e2e.pods import (
    FOREVER,
    log_of,
    pod,
    run_in,
    sh,
    status,
    until_phase,
    until_ready,
    until_reason,
    until_restarted,
)
from tests.hosts.host import stop

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

Json = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(("one",)) as made:
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


async def test_init_containers_run_in_order_and_a_failing_one_stops_the_pod(kubectl: Kubectl) -> None:
    mount: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    ordered = pod(
        "ordered", sh("cat /v/log", **mount), restartPolicy="Never",
        initContainers=[sh("sleep 1; echo one >> /v/log", "one", **mount), sh("echo two >> /v/log", "two", **mount)],
        volumes=[{"name": "v", "emptyDir": {}}],
    )  # fmt: skip
    failing = pod("init-fails", sh("true"), restartPolicy="Never", initContainers=[sh("exit 4", "bad"), sh("true", "never")])
    crashing = pod("init-crashes", sh("true"), initContainers=[sh("exit 5", "bad")])
    await kubectl.apply(manifest(ordered, failing, crashing))
    await until_phase(kubectl, "ordered", "Succeeded")
    assert await log_of(kubectl, "ordered", "-c", "main") == ["one", "two"]
    failed = await until_phase(kubectl, "init-fails", "Failed")
    assert failed["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    assert failed["initContainerStatuses"][1]["state"]["waiting"]["reason"] == "PodInitializing"
    assert failed["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    assert "Init:Error" in await kubectl("get", "pod", "init-fails")

    async def crash_loop() -> None:
        assert "Init:CrashLoopBackOff" in await kubectl("get", "pod", "init-crashes")

    await eventually(crash_loop, seconds=20)


async def test_a_sidecar_starts_before_and_ends_after_the_main_container(kubectl: Kubectl) -> None:
    mount: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    # Each says when it ends; the sidecar is ready (and the main one starts) only after its startup probe.
    told = "trap 'cat /proc/uptime > /v/{0}-end; exit 0' TERM; cat /proc/uptime > /v/{0}; {1}; while :; do sleep 0.1; done"
    sidecar = sh(
        told.format("sidecar", "sleep 1; touch /v/up"), "sidecar", restartPolicy="Always",
        startupProbe={"exec": {"command": ["test", "-e", "/v/up"]}, "periodSeconds": 1}, **mount,
    )  # fmt: skip
    main = sh(told.format("main", "test -e /v/up || exit 1"), **mount)
    both = pod("sidecar", main, initContainers=[sidecar], terminationGracePeriodSeconds=5)
    job = pod("sidecar-job", sh("exit 0"), initContainers=[sh(FOREVER, "sidecar", restartPolicy="Always")])
    job["spec"]["restartPolicy"] = "Never"
    both["spec"]["volumes"] = [{"name": "v", "hostPath": {"path": f"{kubectl.host.folder}/v", "type": "DirectoryOrCreate"}}]
    await kubectl.apply(manifest(both, job))
    await until_ready(kubectl, "sidecar")
    assert (await kubectl("get", "pod", "sidecar", "--no-headers")).split()[1] == "2/2"
    await kubectl("delete", "pod", "sidecar")
    moments = {
        path.name: float((await asyncio.to_thread(path.read_text)).split()[0])
        for path in await asyncio.to_thread(lambda: list((kubectl.host.folder / "v").iterdir()))
        if path.name != "up"
    }
    assert sorted(moments, key=lambda name: moments[name]) == ["sidecar", "main", "main-end", "sidecar-end"]
    # A sidecar does not keep a pod from being complete.
    await until_phase(kubectl, "sidecar-job", "Succeeded")


async def test_failed_liveness_probes_restart_and_a_startup_probe_holds_them_back(kubectl: Kubectl) -> None:
    quick = {"periodSeconds": 1, "failureThreshold": 1}
    serve = "httpd -p 8080 -h /tmp; sleep 3600"
    pods = [
        pod("live-exec", sh(FOREVER, livenessProbe={"exec": {"command": ["false"]}, **quick})),
        pod("live-tcp", sh(FOREVER, livenessProbe={"tcpSocket": {"port": 9}, **quick})),
        pod("live-http", sh(serve, livenessProbe={"httpGet": {"path": "/none", "port": 8080}, **quick})),
        pod("startup-fails", sh(FOREVER, startupProbe={"exec": {"command": ["false"]}, **quick})),
        pod(
            "startup-gates",
            sh(
                "sleep 3; touch /tmp/up; sleep 3600",
                startupProbe={"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 20},
                livenessProbe={"exec": {"command": ["test", "-e", "/tmp/up"]}, **quick},
            ),
        ),
    ]
    await kubectl.apply(manifest(*pods))

    async def started() -> None:
        assert (await status(kubectl, "startup-gates"))["containerStatuses"][0]["state"].get("running")

    await eventually(started, seconds=10)
    assert (await status(kubectl, "startup-gates"))["containerStatuses"][0]["started"] is False
    containers = await until_restarted(kubectl, "live-exec", "live-tcp", "live-http", "startup-fails")
    for container in containers:
        assert container["lastState"]["terminated"]["exitCode"] in (0, 137, 143)
    events = await kubectl("get", "events", "-o", "custom-columns=N:.involvedObject.name,R:.reason,M:.message")
    assert re.search(r"live-http\s+Unhealthy\s+Liveness probe failed: HTTP probe failed with statuscode: 404", events)
    assert re.search(r"live-tcp\s+Unhealthy\s+Liveness probe failed: dial tcp .*:9: connect: connection refused", events)
    assert re.search(r"live-exec\s+Killing\s+Container main failed liveness probe, will be restarted", events)
    assert re.search(r"startup-fails\s+Killing\s+Container main failed startup probe, will be restarted", events)
    await until_ready(kubectl, "startup-gates")
    assert (await status(kubectl, "startup-gates"))["containerStatuses"][0]["restartCount"] == 0
    await kubectl("delete", "pod", *(one["metadata"]["name"] for one in pods), "--wait=false")


async def test_the_environment_comes_from_everywhere(kubectl: Kubectl) -> None:
    def field(path: str) -> Json:
        return {"fieldRef": {"fieldPath": path}}

    def resource(name: str) -> Json:
        return {"resourceFieldRef": {"resource": name}}

    sources: Json = {
        "NAME": field("metadata.name"), "SPACE": field("metadata.namespace"), "UID": field("metadata.uid"),
        "LABEL": field("metadata.labels['test']"), "NOTE": field("metadata.annotations['note']"),
        "NODE": field("spec.nodeName"), "IP": field("status.podIP"), "HOST": field("status.hostIP"),
        "CPU": resource("limits.cpu"), "MEMORY": resource("limits.memory"), "REQUEST": resource("requests.memory"),
        "ONE": {"configMapKeyRef": {"name": "env", "key": "one"}},
        "HIDDEN": {"secretKeyRef": {"name": "env", "key": "hidden"}},
        "NONE": {"configMapKeyRef": {"name": "nowhere", "key": "x", "optional": True}},
    }  # fmt: skip
    await kubectl("create", "configmap", "env", "--from-literal=one=1", "--from-literal=two=2")
    await kubectl("create", "secret", "generic", "env", "--from-literal=hidden=h")
    env = [{"name": name, "valueFrom": source} for name, source in sources.items()]
    env += [{"name": "BOTH", "value": "$(NAME)-$(ONE) $$(ONE) $(UNKNOWN)"}]
    limits = {"cpu": "1500m", "memory": "64Mi"}
    container = sh(
        "env; echo args=$0", args=["$(NAME)"], env=env, resources={"limits": limits, "requests": {"memory": "32Mi"}},
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "env"}}, {"secretRef": {"name": "env"}}],
    )  # fmt: skip
    await kubectl.apply(manifest(pod("env", container, restartPolicy="Never")))
    done = await until_phase(kubectl, "env", "Succeeded")
    uid = (await kubectl.json("get", "pod", "env"))["metadata"]["uid"]
    seen = dict(line.split("=", 1) for line in await log_of(kubectl, "env"))
    assert {name: seen.get(name) for name in (*sources, "BOTH", "P_two", "hidden", "args", "KUBERNETES_SERVICE_HOST")} == {
        "NAME": "env", "SPACE": "default", "UID": uid, "LABEL": "env", "NOTE": "written", "NODE": "one",
        "IP": done["podIP"], "HOST": done["hostIP"], "CPU": "2", "MEMORY": str(64 << 20), "REQUEST": str(32 << 20),
        "ONE": "1", "HIDDEN": "h", "NONE": None, "BOTH": "env-1 $(ONE) $(UNKNOWN)", "P_two": "2", "hidden": "h",
        "args": "env", "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    }  # fmt: skip


async def test_volumes_are_shared_follow_their_objects_and_keep_secrets_off_the_disk(
    kubectl: Kubectl, cluster: Cluster
) -> None:
    canary = "canary-5f1c0de5"
    await kubectl("create", "configmap", "live", "--from-literal=key=before")
    await kubectl("create", "secret", "generic", "canary", f"--from-literal=key={canary}")
    folder = cluster.nodes["one"].host.folder / "given"
    await asyncio.to_thread(folder.mkdir)
    await asyncio.to_thread((folder / "file").write_text, "from the host\n")
    names = ("config", "secret", "disk", "memory", "host")
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in names]
    volumes = [
        {"name": "config", "configMap": {"name": "live"}},
        {"name": "secret", "secret": {"secretName": "canary", "defaultMode": 0o400}},
        {"name": "disk", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "host", "hostPath": {"path": str(folder), "type": "Directory"}},
    ]
    containers = [sh(FOREVER, name, volumeMounts=mounts) for name in ("main", "other")]
    await kubectl.apply(manifest(pod("volumes", *containers, volumes=volumes)))
    await until_ready(kubectl, "volumes")
    await run_in(kubectl, "volumes", "echo d > /disk/f; echo m > /memory/f; echo h > /host/back", "-c", "main")
    seen = await run_in(kubectl, "volumes", "cat /disk/f /memory/f /host/file /config/key /secret/key", "-c", "other")
    assert seen == f"d\nm\nfrom the host\nbefore{canary}"
    assert await asyncio.to_thread((folder / "back").read_text) == "h\n"
    kinds = await run_in(kubectl, "volumes", "grep -E ' /(secret|memory|disk) ' /proc/mounts", "-c", "main")
    types = {line.split()[1]: line.split()[2] for line in kinds.splitlines()}
    assert types["/secret"] == types["/memory"] == "tmpfs"
    assert types["/disk"] != "tmpfs"
    assert (await kubectl.run("exec", "volumes", "--", "dd", "if=/dev/zero", "of=/memory/big", "bs=1M", "count=2")).returncode

    # In the clear nowhere that outlives the power: neither on the node, nor at the broker, nor in any log.
    places = [cluster.nodes["one"].host.folder / "agent", cluster.control.folder / "master" / "broker"]
    logs = [cluster.nodes["one"].agent.log, cluster.master.log]
    assert all(place.exists() for place in (*places, *logs)), places
    for needle in (canary, "Y2FuYXJ5LTVmMWMwZGU1"):
        found = await cluster.control.run(
            "find", *map(str, (*places, *logs)), "-xdev", "-type", "f", "-exec", "grep", "-l", needle, "{}", "+", check=False
        )
        on_disk = [line for line in found.stdout.splitlines() if not await _in_memory(Path(line))]
        assert on_disk == []

    await kubectl("patch", "configmap", "live", "-p", '{"data":{"key":"after"}}')

    async def changed() -> None:
        assert await run_in(kubectl, "volumes", "cat /config/key", "-c", "main") == "after"

    await eventually(changed, seconds=20)
    assert all(one["restartCount"] == 0 for one in (await status(kubectl, "volumes"))["containerStatuses"])


async def _in_memory(path: Path) -> bool:
    process = await asyncio.create_subprocess_exec(
        "stat", "-f", "-c", "%T", str(path), stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.strip() == b"tmpfs"


async def test_limits_reach_the_cgroup_and_a_container_that_outgrows_memory_is_oom_killed(kubectl: Kubectl) -> None:
    limits: Json = {"resources": {"limits": {"memory": "32Mi", "cpu": "250m"}}}
    hungry = pod("oom", sh("tail /dev/zero", **limits), restartPolicy="Never")
    await kubectl.apply(manifest(pod("limited", sh(FOREVER, **limits)), hungry))
    await until_ready(kubectl, "limited")
    script = (
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    )
    assert (await run_in(kubectl, "limited", script)).split()[0] == str(32 << 20)
    quota = "cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
    assert (await run_in(kubectl, "limited", quota)).split()[0] == "25000"
    ended = (await until_phase(kubectl, "oom", "Failed"))["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert "OOMKilled" in await kubectl("get", "pod", "oom")


async def test_crash_loops_and_restart_policies(kubectl: Kubectl) -> None:
    await kubectl.apply(
        manifest(
            pod("crash", sh("echo run; exit 3")),
            pod("never-good", sh("exit 0"), restartPolicy="Never"),
            pod("never-bad", sh("echo why > /dev/termination-log; exit 9"), restartPolicy="Never"),
            pod(
                "on-failure",
                sh("test -e /v/f && exit 0; touch /v/f; exit 1", volumeMounts=[{"name": "v", "mountPath": "/v"}]),
                restartPolicy="OnFailure",
                volumes=[{"name": "v", "emptyDir": {}}],
            ),
            pod("deadline", sh(FOREVER), activeDeadlineSeconds=2),
        )
    )
    waiting = await until_reason(kubectl, "crash", "CrashLoopBackOff")
    assert re.match(r"back-off \d+s restarting failed container=main pod=crash_default\(", waiting["message"])
    line = await kubectl("get", "pod", "crash", "--no-headers")
    assert re.match(r"crash\s+0/1\s+CrashLoopBackOff\s+\d+ \(\d+s ago\)", line), line
    assert await log_of(kubectl, "crash", "--previous") == ["run"]
    await until_phase(kubectl, "never-good", "Succeeded")
    ended = (await until_phase(kubectl, "never-bad", "Failed"))["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (9, "Error", "why\n")
    done = await until_phase(kubectl, "on-failure", "Succeeded")
    assert done["containerStatuses"][0]["restartCount"] == 1
    late = await until_phase(kubectl, "deadline", "Failed")
    assert late["reason"] == "DeadlineExceeded"
    assert "Completed" in await kubectl("get", "pod", "never-good")
    assert "Error" in await kubectl("get", "pod", "never-bad")


async def test_host_network_host_ports_and_shared_processes(kubectl: Kubectl, cluster: Cluster) -> None:
    serve = "mkdir -p /www && echo {0} > /www/index.html && exec httpd -f -p {1} -h /www"
    node = cluster.nodes["one"].host
    await kubectl.apply(
        manifest(
            pod("host-network", sh(serve.format("host", 18080)), hostNetwork=True),
            pod("host-port", sh(serve.format("port", 8080), ports=[{"containerPort": 8080, "hostPort": 18081}])),
            pod("shared", sh(FOREVER), sh("exec sleep 1234", "other"), shareProcessNamespace=True),
            pod("apart", sh(FOREVER), sh("exec sleep 1234", "other")),
        )
    )
    await until_ready(kubectl, "host-network", "host-port", "shared", "apart")
    assert (await status(kubectl, "host-network"))["podIP"] == node.address

    async def answers() -> None:
        try:
            assert await get(cluster.control, node.address, 18080) == "host"
            assert await get(cluster.control, node.address, 18081) == "port"
        except OSError as error:
            raise AssertionError(str(error)) from error

    await eventually(answers, seconds=10)
    assert "sleep 1234" in await run_in(kubectl, "shared", "ps", "-c", "main")
    assert "sleep 1234" not in await run_in(kubectl, "apart", "ps", "-c", "main")


async def test_ending_runs_the_hook_signals_and_kills_after_the_grace(kubectl: Kubectl) -> None:
    folder = kubectl.host.folder / "ends"
    mount: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}]
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /v/orderly"]}}}
    orderly = sh("trap 'echo term >> /v/orderly; exit 0' TERM; while :; do sleep 0.1; done", lifecycle=hook, **mount)
    deaf = sh("trap '' TERM; while :; do sleep 0.1; done")
    await kubectl.apply(
        manifest(
            pod("orderly", orderly, volumes=volumes, terminationGracePeriodSeconds=30),
            pod("deaf", deaf, terminationGracePeriodSeconds=3),
            pod("hurried", deaf, terminationGracePeriodSeconds=60),
        )
    )
    await until_ready(kubectl, "orderly", "deaf", "hurried")
    loop = asyncio.get_running_loop()

    async def delete(name: str, *argv: str) -> float:
        began = loop.time()
        await kubectl("delete", "pod", name, *argv)
        return loop.time() - began

    async with asyncio.TaskGroup() as group:
        taken = {name: group.create_task(delete(name)) for name in ("orderly", "deaf")}
        taken["hurried"] = group.create_task(delete("hurried", "--grace-period=1"))
        await asyncio.sleep(0.7)
        assert "Terminating" in await kubectl("get", "pod", "deaf")
    assert await asyncio.to_thread((folder / "orderly").read_text) == "hook\nterm\n"
    assert taken["orderly"].result() < 5
    assert 3 <= taken["deaf"].result() < 7
    assert taken["hurried"].result() < 5


async def test_what_cannot_start_says_why(kubectl: Kubectl) -> None:
    nowhere = "127.0.0.1:1/none:1"
    await kubectl.apply(
        manifest(
            pod("no-pull", sh("true", image="wherry-test/none:1")),
            pod("no-name", sh("true", image="Bad//Name")),
            pod("no-registry", sh("true", image=nowhere, imagePullPolicy="IfNotPresent")),
            pod("no-map", sh("true", envFrom=[{"configMapRef": {"name": "absent"}}])),
            pod("no-root", sh("true", securityContext={"runAsNonRoot": True})),
            pod("no-command", sh("true", command=["/none"])),
            pod(
                "no-volume",
                sh("true", volumeMounts=[{"name": "v", "mountPath": "/v"}]),
                volumes=[{"name": "v", "configMap": {"name": "absent"}}],
            ),
        )
    )
    found = await until_reason(kubectl, "no-pull", "ErrImageNeverPull")
    assert found["message"] == 'Container image "wherry-test/none:1" is not present with pull policy of Never'
    found = await until_reason(kubectl, "no-name", "InvalidImageName")
    assert found["message"] == (
        'Failed to apply default image tag "Bad//Name": couldn\'t parse image name "Bad//Name": '
        "invalid reference format: repository name (/Name) must be lowercase"
    )
    found = await until_reason(kubectl, "no-map", "CreateContainerConfigError")
    assert found["message"] == 'configmap "absent" not found'
    found = await until_reason(kubectl, "no-root", "CreateContainerConfigError")
    assert found["message"].startswith('container has runAsNonRoot and image will run as root (pod: "no-root_default(')
    found = await until_reason(kubectl, "no-command", "RunContainerError", "CrashLoopBackOff")
    found = await until_reason(kubectl, "no-registry", "ImagePullBackOff")
    assert found["message"].startswith(f'Back-off pulling image "{nowhere}"')
    described = await kubectl("describe", "pod", "no-registry")
    for text in (f'Pulling image "{nowhere}"', f'Failed to pull image "{nowhere}"', "Error: ErrImagePull"):
        assert text in described, described
    assert 'MountVolume.SetUp failed for volume "v" : configmap "absent" not found' in await kubectl(
        "describe", "pod", "no-volume"
    )
    # It goes on by itself once what it lacks is there.
    await kubectl("create", "configmap", "absent", "--from-literal=A=b")

    async def gone_on() -> None:
        for name in ("no-map", "no-volume"):
            assert (await status(kubectl, name))["containerStatuses"][0].get("containerID")

    await eventually(gone_on, seconds=20)
    await kubectl("delete", "pods", "-l", "test in (no-pull,no-name,no-registry,no-map,no-root,no-command,no-volume)")


async def test_security_contexts_hold(kubectl: Kubectl) -> None:
    strict = {
        "runAsUser": 1234,
        "runAsGroup": 2345,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = [{"name": "v", "mountPath": "/v"}]
    volumes = [{"name": "v", "emptyDir": {}}]
    script = (
        "id -u; id -g; id -G; touch /tmp/x 2>&1; touch /v/x && stat -c %g /v/x; "
        "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status"
    )
    added = {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
    await kubectl.apply(
        manifest(
            pod(
                "strict", sh(script, securityContext=strict, volumeMounts=mounts), volumes=volumes, restartPolicy="Never",
                securityContext={"fsGroup": 3456},
            ),
            pod("added", sh("grep CapEff /proc/self/status", securityContext=added), restartPolicy="Never"),
        )
    )  # fmt: skip
    await until_phase(kubectl, "strict", "Succeeded")
    lines = await log_of(kubectl, "strict")
    assert lines[:2] == ["1234", "2345"]
    assert "3456" in lines[2].split()
    assert "Read-only file system" in lines[3]
    assert lines[4] == "3456"
    assert dict(line.split() for line in lines[5:]) == {"CapEff:": "0" * 16, "CapBnd:": "0" * 16, "NoNewPrivs:": "1"}
    await until_phase(kubectl, "added", "Succeeded")
    assert await log_of(kubectl, "added") == ["CapEff:\t0000000000000400"]


async def test_names_resolve_and_attach_and_cp_work(kubectl: Kubectl, tmp_path: Path) -> None:
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"test": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }  # fmt: skip
    serve = "mkdir -p /www && echo served > /www/index.html && exec httpd -f -p 8080 -h /www"
    ready: Json = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    echo = sh("while read line; do echo got $line; done", stdin=True)
    await kubectl.apply(manifest(service, pod("web", sh(serve, **ready)), pod("client", sh(FOREVER)), pod("echo", echo)))
    await until_ready(kubectl, "web", "client", "echo")

    # Of a static busybox nslookup alone resolves names; what the C library of others reads is shown by the file.
    resolver = await run_in(kubectl, "client", "cat /etc/resolv.conf")
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in resolver
    assert "options ndots:5" in resolver
    address = (await kubectl.json("get", "service", "web"))["spec"]["clusterIP"]
    for name, wanted in (("web.default", address), ("kubernetes.default", "10.96.0.1")):
        assert wanted in await run_in(kubectl, "client", f"nslookup -type=a {name}.svc.cluster.local")

    async def served() -> None:
        assert await run_in(kubectl, "client", f"timeout 3 wget -q -O - http://{address}/ 2>&1 || true") == "served"

    await eventually(served, seconds=10)
    log = tmp_path / "attach"
    attach = await kubectl.host.popen(
        "sh", "-c", f"(sleep 1; echo hello; sleep 2) | {kubectl.program} attach -i echo", log=log, env=kubectl.environment
    )
    try:

        async def attached() -> None:
            assert "got hello" in await asyncio.to_thread(log.read_text)

        await eventually(attached, seconds=10)
    finally:
        await stop(attach)
    (tmp_path / "sent").write_bytes(bytes(range(256)) * 1000)
    await kubectl("cp", str(tmp_path / "sent"), "client:/tmp/sent")
    await kubectl("cp", "client:/tmp/sent", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "sent").read_bytes()


async def test_a_pod_that_runs_shows_everything_kubectl_asks_for(kubectl: Kubectl) -> None:
    found = json.loads(await kubectl("get", "pod", "client", "-o", "json"))["status"]
    assert found["qosClass"] == "BestEffort"
    assert {one["type"]: one["status"] for one in found["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )
    assert found["containerStatuses"][0]["imageID"].startswith("docker://sha256:")
