"""The commands that the issue names, through real kubectl of several versions, against a real cluster."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually, kubectl_programs
from tests.cluster.kubectl import Json
from tests.cluster.manifests import app_deployment, app_service, manifest
from tests.hosts.host import stop

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

WANTED: tuple[str, ...] = ("1.27", "1.30", "1.33")
VERSIONS = [version for version in WANTED if version in kubectl_programs()] or ["default"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=VERSIONS)
async def kubectl(request: pytest.FixtureRequest, cluster: Cluster) -> AsyncIterator[Kubectl]:
    """kubectl of one version, with the app deployed and ready in a namespace of its own."""
    made = cluster.kubectl_of(request.param)
    namespace = f"v{request.param.replace('.', '-')}"
    await made("create", "namespace", namespace)
    await made("config", "set-context", "--current", f"--namespace={namespace}")
    await made.apply(manifest(app_deployment(replicas=2), app_service()))
    await made("rollout", "status", "deployment/app", "--timeout=60s")
    yield made
    await made("delete", "namespace", namespace, "--timeout=60s", timeout=70)
    await made("config", "set-context", "--current", "--namespace=default")


async def _pod(kubectl: Kubectl) -> str:
    pods = (await kubectl.json("get", "pods", "-l", "app=app"))["items"]
    return str(next(pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]))


async def test_get_prints_kubernetes_columns(kubectl: Kubectl) -> None:
    lines = (await kubectl("get", "pods")).splitlines()
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [line.split()[1:4] for line in lines[1:]] == [["1/1", "Running", "0"]] * 2
    wide = (await kubectl("get", "pods", "-o", "wide")).splitlines()
    assert wide[0].split()[5:7] == ["IP", "NODE"]
    assert {line.split()[6] for line in wide[1:]} <= {"one", "two"}
    deployments = (await kubectl("get", "deployments")).splitlines()
    assert deployments[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert deployments[1].split()[:4] == ["app", "2/2", "2", "2"]
    services = (await kubectl("get", "services")).splitlines()
    assert services[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    nodes = (await kubectl("get", "nodes")).splitlines()
    assert [line.split()[1] for line in nodes[1:]] == ["Ready", "Ready"]
    everything = await kubectl("get", "all")
    for kind in ("pod/app-", "service/app", "deployment.apps/app", "replicaset.apps/app-"):
        assert kind in everything


async def test_get_yaml_round_trips_through_replace(kubectl: Kubectl) -> None:
    text = await kubectl("get", "deployment", "app", "-o", "yaml")
    assert "kind: Deployment" in text
    await kubectl("replace", "-f", "-", stdin=text)


async def test_watch_shows_changes_as_they_come(kubectl: Kubectl) -> None:
    log = kubectl.home / "watch.txt"
    log.unlink(missing_ok=True)
    watch = await kubectl.host.popen(kubectl.program, "get", "configmaps", "-w", log=log, env=kubectl.environment)
    try:
        await asyncio.sleep(1.5)
        await kubectl("create", "configmap", "seen", "--from-literal=a=b")
        await kubectl("delete", "configmap", "seen")

        async def told() -> None:
            assert log.read_text().count("seen") == 2, log.read_text()

        await eventually(told, seconds=10)
    finally:
        await stop(watch)


async def test_apply_changes_only_what_differs(kubectl: Kubectl) -> None:
    deployment = app_deployment("applied", replicas=1)
    assert "created" in await kubectl.apply(json.dumps(deployment))
    assert "unchanged" in await kubectl.apply(json.dumps(deployment))
    deployment["metadata"]["labels"] = {"team": "x"}
    deployment["spec"]["replicas"] = 0
    assert "configured" in await kubectl.apply(json.dumps(deployment))
    stored = await kubectl.json("get", "deployment", "applied")
    assert stored["spec"]["replicas"] == 0
    assert stored["metadata"]["labels"] == {"team": "x"}
    del deployment["metadata"]["labels"]
    await kubectl.apply(json.dumps(deployment))
    assert "labels" not in (await kubectl.json("get", "deployment", "applied"))["metadata"]
    assert "deleted" in await kubectl("delete", "deployment", "applied")


async def test_describe_tells_of_pod_node_service_and_deployment(kubectl: Kubectl) -> None:
    pod = await _pod(kubectl)
    text = await kubectl("describe", "pod", pod)
    assert re.search(r"Status:\s+Running", text)
    for event in ("Scheduled", "Started container web"):
        assert event in text, text
    assert re.search(
        r"Replicas:\s+2 desired \| 2 updated \| 2 total \| 2 available", await kubectl("describe", "deployment", "app")
    )
    service = await kubectl("describe", "service", "app")
    assert len(re.findall(r"10\.244\.\d+\.\d+:8080", service)) == 2, service
    node = await kubectl("describe", "node", "one")
    assert "Non-terminated Pods" in node
    assert re.search(r"Ready\s+True", node)


async def test_edit_patch_label_annotate_and_scale(kubectl: Kubectl) -> None:
    await kubectl("edit", "service", "app", env={"KUBE_EDITOR": "sed -i s/sessionAffinity:.None/sessionAffinity:\\ ClientIP/"})
    assert (await kubectl.json("get", "service", "app"))["spec"]["sessionAffinity"] == "ClientIP"
    for patch, kind in (
        ('{"spec":{"sessionAffinity":"None"}}', "strategic"),
        ('{"metadata":{"annotations":{"by":"merge"}}}', "merge"),
        ('[{"op":"add","path":"/metadata/annotations/by","value":"json"}]', "json"),
    ):
        await kubectl("patch", "service", "app", "--type", kind, "-p", patch)
    service = await kubectl.json("get", "service", "app")
    assert service["spec"]["sessionAffinity"] == "None"
    assert service["metadata"]["annotations"]["by"] == "json"
    await kubectl("label", "service", "app", "tier=web")
    await kubectl("annotate", "service", "app", "by-")
    (service,) = (await kubectl.json("get", "services", "-l", "tier=web"))["items"]
    assert "by" not in service["metadata"].get("annotations", {})
    await kubectl("scale", "deployment/app", "--replicas=3")
    await kubectl("wait", "deployment/app", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=30s")
    await kubectl("scale", "deployment/app", "--replicas=2", "--current-replicas=3")
    await kubectl("rollout", "status", "deployment/app", "--timeout=30s")


async def test_logs_follow_and_tail(kubectl: Kubectl) -> None:
    script = "for i in 1 2 3; do echo line $i; done; sleep 2; echo last; sleep 1"
    await kubectl(
        "run", "talker", "--image=wherry-test/app:1", "--image-pull-policy=Never", "--restart=Never", "--", "sh", "-c", script
    )
    await kubectl("wait", "pod/talker", "--for=jsonpath={.status.phase}=Running", "--timeout=20s")
    assert (await kubectl("logs", "-f", "talker")).splitlines() == ["line 1", "line 2", "line 3", "last"]
    assert (await kubectl("logs", "talker", "--tail=1")).splitlines() == ["last"]
    assert re.match(r"20\d\d-\d\d-\d\dT[\d:.]+Z line 1\n", await kubectl("logs", "talker", "--timestamps"))
    await kubectl("wait", "pod/talker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s")
    assert "Completed" in await kubectl("get", "pod", "talker")
    await kubectl("delete", "pod", "talker")


async def test_exec_carries_streams_and_exit_code(kubectl: Kubectl) -> None:
    pod = await _pod(kubectl)
    assert await kubectl("exec", pod, "--", "hostname") == f"{pod}\n"
    assert await kubectl("exec", "-i", pod, "--", "cat", stdin="through\n") == "through\n"
    failed = await kubectl.run("exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert failed.returncode == 7
    assert failed.stdout == "out\n"
    assert failed.stderr.startswith("err\n")


async def test_exec_with_a_terminal(kubectl: Kubectl) -> None:
    pod = await _pod(kubectl)
    # script(1) gives kubectl a terminal, as a person's shell does.
    # The size follows the start, as with every kubelet, so the command gives it a moment.
    command = f"{kubectl.program} exec -it {pod} -- sh -c 'tty; sleep 1; stty size; echo typed: $(head -n 1)'"
    completed = await kubectl.host.run(
        "script", "-qec", f"stty rows 33 cols 99; {command}", "/dev/null",
        stdin=b"hello\n", env={**kubectl.environment, "TERM": "xterm"}, timeout=20,
    )  # fmt: skip
    assert "/dev/pts/" in completed.stdout
    assert "33 99" in completed.stdout
    assert "typed: hello" in completed.stdout


async def test_port_forward_reaches_the_pod(kubectl: Kubectl) -> None:
    pod = await _pod(kubectl)
    log = kubectl.home / "forward.txt"
    log.unlink(missing_ok=True)
    forward = await kubectl.host.popen(
        kubectl.program, "port-forward", f"pod/{pod}", ":8080", log=log, env=kubectl.environment
    )
    try:

        async def listening() -> int:
            match = re.search(r"127\.0\.0\.1:(\d+) -> 8080", log.read_text())
            assert match, log.read_text()
            return int(match[1])

        port = await eventually(listening, seconds=10)
        for _ in range(3):
            answer = await kubectl.host.run("busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:{port}/")
            assert answer.stdout.strip() == pod
    finally:
        await stop(forward)


async def test_explain_api_resources_and_version(kubectl: Kubectl) -> None:
    explained = await kubectl("explain", "pod.spec.containers.livenessProbe")
    assert "httpGet" in explained
    assert "failureThreshold" in explained
    assert "replicas" in await kubectl("explain", "deployment.spec", "--recursive")
    names = (await kubectl("api-resources", "-o", "name")).split()
    for name in (
        "pods",
        "services",
        "nodes",
        "deployments.apps",
        "endpointslices.discovery.k8s.io",
        "leases.coordination.k8s.io",
    ):
        assert name in names
    version: Json = json.loads(await kubectl("version", "-o", "json"))
    assert version["serverVersion"]["major"] == "1"
    assert (await kubectl("auth", "can-i", "create", "pods")).strip() == "yes"
    assert "is running at" in await kubectl("cluster-info")


async def test_cordon_drain_and_uncordon(kubectl: Kubectl) -> None:
    await kubectl("cordon", "two")
    assert "SchedulingDisabled" in await kubectl("get", "node", "two")
    await kubectl("drain", "two", "--ignore-daemonsets", "--force", "--timeout=60s", "--pod-selector=app=app", timeout=70)
    pods = (await kubectl.json("get", "pods", "-l", "app=app", "--field-selector", "spec.nodeName=two"))["items"]
    assert pods == []
    await kubectl("uncordon", "two")
    await kubectl("rollout", "status", "deployment/app", "--timeout=60s")


async def test_expose_run_set_env_and_delete(kubectl: Kubectl) -> None:
    await kubectl("set", "env", "deployment/app", "GREETING=hi")
    await kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    assert (await kubectl("exec", await _pod(kubectl), "--", "sh", "-c", "echo $GREETING")).strip() == "hi"
    await kubectl("expose", "deployment", "app", "--name=exposed", "--port=81", "--target-port=http")
    assert (await kubectl.json("get", "service", "exposed"))["spec"]["ports"][0]["port"] == 81
    await kubectl("delete", "service", "exposed")
    await kubectl("rollout", "restart", "deployment/app")
    await kubectl("rollout", "status", "deployment/app", "--timeout=60s")


async def test_a_rollout_is_shown_undone_paused_resumed_and_restarted(kubectl: Kubectl) -> None:
    async def rolled() -> str:
        await kubectl("rollout", "status", "deployment/roll", "--timeout=60s")
        return (await kubectl("get", "deployment/roll", "-o", "jsonpath={.spec.template.spec.containers[0].image}")).strip()

    await kubectl.apply(json.dumps(app_deployment("roll", replicas=2)))
    await kubectl("annotate", "deployment/roll", "kubernetes.io/change-cause=first")
    await rolled()
    await kubectl("set", "image", "deployment/roll", "web=wherry-test/app:2")
    await kubectl("annotate", "deployment/roll", "kubernetes.io/change-cause=second", "--overwrite")
    assert await rolled() == "wherry-test/app:2"
    assert (await kubectl("rollout", "history", "deployment/roll")).split()[-4:] == ["1", "first", "2", "second"]
    assert "wherry-test/app:1" in await kubectl("rollout", "history", "deployment/roll", "--revision=1")
    await kubectl("rollout", "undo", "deployment/roll", "--to-revision=1")
    assert await rolled() == "wherry-test/app:1"
    assert (await kubectl("rollout", "history", "deployment/roll")).split()[-4:] == ["2", "second", "3", "first"]
    unknown = await kubectl.run("rollout", "undo", "deployment/roll", "--to-revision=99")
    assert "unable to find specified revision 99 in history" in unknown.stderr
    await kubectl("rollout", "pause", "deployment/roll")
    before = await kubectl("get", "replicasets", "-l", "app=roll", "-o", "name")
    await kubectl("set", "image", "deployment/roll", "web=wherry-test/app:2")
    await kubectl("set", "env", "deployment/roll", "A=b")
    assert await kubectl("get", "replicasets", "-l", "app=roll", "-o", "name") == before, "nothing rolls while it is paused"
    await kubectl("rollout", "resume", "deployment/roll")
    assert await rolled() == "wherry-test/app:2"
    old = set((await kubectl("get", "pods", "-l", "app=roll", "-o", "name")).split())
    await kubectl("rollout", "restart", "deployment/roll")
    await rolled()
    running = await kubectl("get", "pods", "-l", "app=roll", "--field-selector=status.phase=Running", "-o", "name")
    assert len(set(running.split()) - old) == 2, "every pod is a new one"
    await kubectl("delete", "deployment", "roll", "--wait=false")


CREATED = (
    ("deployment", "d", "--image=wherry-test/app:1", "--replicas=0", "--port=8080"),
    ("configmap", "c", "--from-literal=a=b"),
    ("secret", "generic", "s", "--from-literal=a=b"),
    ("service", "clusterip", "cs", "--tcp=80:8080"),
    ("service", "externalname", "en", "--external-name=example.org"),
    ("serviceaccount", "sa"),
    ("role", "r", "--verb=get", "--resource=pods"),
    ("rolebinding", "rb", "--role=r", "--serviceaccount={namespace}:sa"),
    ("quota", "q", "--hard=pods=100"),
    ("poddisruptionbudget", "p", "--selector=app=none", "--min-available=1"),
    ("job", "j", "--image=wherry-test/app:1", "--", "true"),
    ("cronjob", "cj", "--image=wherry-test/app:1", "--schedule=0 0 * * *", "--", "true"),
    ("ingress", "i", "--rule=a.example/c=cs:80"),
)


async def test_create_makes_what_its_generators_make(kubectl: Kubectl) -> None:
    namespace = (await kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}")).strip()
    names = []
    for arguments in CREATED:
        words = [word.format(namespace=namespace) for word in arguments]
        offline = json.loads(await kubectl("create", *words[:2], "--dry-run=client", "-o", "json", *words[2:]))
        made = json.loads(await kubectl("create", *words[:2], "-o", "json", *words[2:]))
        assert (made["kind"], made["metadata"]["name"]) == (offline["kind"], offline["metadata"]["name"])
        names.append(f"{made['kind'].lower()}/{made['metadata']['name']}")
    shown = await kubectl("get", *names, "--no-headers")
    assert len(re.findall(r"^\S+/\S+ ", shown, re.MULTILINE)) == len(names)
    described = await kubectl("describe", *names)
    assert len(re.findall(r"^Name: ", described, re.MULTILINE)) >= len(names)
    deleted = await kubectl("delete", *names, "--wait=false")
    assert deleted.count(" deleted") == len(names)


async def test_set_autoscale_taint_and_wait(kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "worker")
    await kubectl("create", "deployment", "small", "--image=wherry-test/app:1", "--replicas=0")
    await kubectl("set", "resources", "deployment/small", "--requests=cpu=10m", "--limits=memory=64Mi")
    await kubectl("set", "serviceaccount", "deployment/small", "worker")
    template = (await kubectl.json("get", "deployment", "small"))["spec"]["template"]["spec"]
    assert template["containers"][0]["resources"] == {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}
    assert template["serviceAccountName"] == "worker"
    await kubectl("set", "selector", "service/app", "app=other")
    assert (await kubectl.json("get", "service", "app"))["spec"]["selector"] == {"app": "other"}
    await kubectl("set", "selector", "service/app", "app=app")
    await kubectl("autoscale", "deployment/small", "--min=1", "--max=3", "--cpu-percent=50")
    scaler = (await kubectl("get", "hpa", "small", "--no-headers")).split()
    assert scaler[:2] == ["small", "Deployment/small"]
    assert "50%" in " ".join(scaler)
    await kubectl("taint", "nodes", "two", "a=b:PreferNoSchedule")
    assert "a=b:PreferNoSchedule" in await kubectl("describe", "node", "two")
    await kubectl("taint", "nodes", "two", "a:PreferNoSchedule-")
    await kubectl("wait", "deployment/app", "--for=condition=Available", "--timeout=20s")
    late = await kubectl.run("wait", "deployment/app", "--for=condition=Nothing", "--timeout=1s")
    assert "timed out waiting for the condition" in late.stderr
    await kubectl("delete", "deployment,hpa,serviceaccount", "small", "worker", "--ignore-not-found", "--wait=false")
    await kubectl("wait", "hpa/small", "--for=delete", "--timeout=20s")


async def test_diff_replace_events_and_auth(kubectl: Kubectl) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"a": "1"}}
    await kubectl.apply(json.dumps(config))
    assert (await kubectl.run("diff", "-f", "-", stdin=json.dumps(config))).returncode == 0
    config["data"] = {"a": "2"}
    diff = await kubectl.run("diff", "-f", "-", stdin=json.dumps(config))
    assert diff.returncode == 1
    assert '-  a: "1"\n+  a: "2"\n' in diff.stdout
    before = (await kubectl.json("get", "configmap", "d"))["metadata"]["uid"]
    await kubectl("replace", "--force", "-f", "-", stdin=json.dumps(config))
    assert (await kubectl.json("get", "configmap", "d"))["metadata"]["uid"] != before
    assert "Scaled up replica set" in await kubectl("events", "--for", "deployment/app")
    assert (await kubectl("auth", "can-i", "--list")).startswith("Resources ")
    denied = await kubectl.run("auth", "can-i", "delete", "nodes", "--as=someone")
    assert (denied.returncode, denied.stdout.strip()) == (1, "no")
    await kubectl("delete", "configmap", "d")
