"""Quotas, limit ranges and classes, as kubectl's users meet them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api_world import ApiWorld, api_world

VERSIONS = ("1.27", "1.30", "1.33")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


async def counted(world: ApiWorld, quota: str, *, version: str = "") -> None:
    """Accept a quota, as the quota controller does, in a namespace that uses nothing."""
    hard = json.loads(await world.ok("get", "quota", quota, "-o", "jsonpath={.spec.hard}", version=version))
    status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    await world.ok("patch", "quota", quota, "--subresource=status", "--type=merge", "-p", json.dumps(status), version=version)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_quota_refuses_with_kubernetes_message(world: ApiWorld, version: str) -> None:
    await world.ok("create", "quota", "q", "--hard=pods=1,requests.cpu=1,count/configmaps=1", version=version)
    await counted(world, "q", version=version)
    limits = '{"spec":{"containers":[{"name":"a","image":"b","resources":{"requests":{"cpu":"400m"}}}]}}'
    await world.ok("run", "one", "--image=b", f"--overrides={limits}", version=version)
    refused = await world.kubectl("run", "two", "--image=b", f"--overrides={limits}", version=version)
    assert refused.err == (
        'Error from server (Forbidden): pods "two" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: '
        "pods=1\n"
    )
    unstated = await world.kubectl("run", "three", "--image=b", version=version)
    assert "failed quota: q: must specify requests.cpu for: three" in unstated.err
    await world.ok("create", "configmap", "c", version=version)
    assert "exceeded quota" in (await world.kubectl("create", "configmap", "d", version=version)).err
    described = await world.ok("describe", "quota", "q", version=version)
    assert "requests.cpu" in described
    assert "400m" in described


async def test_creates_at_the_same_time_never_overrun_a_quota(world: ApiWorld) -> None:
    await world.ok("create", "quota", "q", "--hard=configmaps=20")
    await counted(world, "q")
    path = "/api/v1/namespaces/default/configmaps"
    async with world.http(world.admin()) as http:

        async def create(number: int) -> int:
            async with http.post(path, json={"metadata": {"name": f"c{number}"}}) as response:
                return response.status

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(create(number)) for number in range(60)]
    codes = [task.result() for task in running]
    assert (codes.count(201), codes.count(403)) == (20, 40)
    assert await world.ok("get", "quota", "q", "-o", "jsonpath={.status.used.configmaps}") == "20"


LIMITS = """
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec:
  limits:
  - type: Container
    default: {cpu: 200m, memory: 64Mi}
    defaultRequest: {cpu: 100m}
    max: {cpu: "1"}
"""


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_limit_range_gives_defaults_and_bounds(world: ApiWorld, version: str) -> None:
    await world.ok("apply", "-f", "-", stdin=LIMITS, version=version)
    await world.ok("run", "p", "--image=b", version=version)
    pod = json.loads(await world.ok("get", "pod", "p", "-o", "json", version=version))
    assert pod["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "200m", "memory": "64Mi"},
        "requests": {"cpu": "100m", "memory": "64Mi"},
    }
    assert pod["status"]["qosClass"] == "Burstable"
    told = "LimitRanger plugin set: cpu, memory request for container p; cpu, memory limit for container p"
    assert pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == told
    greedy = '{"spec":{"containers":[{"name":"a","image":"b","resources":{"limits":{"cpu":"2"}}}]}}'
    refused = await world.kubectl("run", "q", "--image=b", f"--overrides={greedy}", version=version)
    assert "maximum cpu usage per Container is 1, but limit is 2" in refused.err
    assert "Container" in await world.ok("describe", "limits", "limits", version=version)


CLASSES = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: example.com/local
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: example.com/nginx}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: usual}
value: 5
globalDefault: true
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: kata}
handler: kata
overhead: {podFixed: {memory: 64Mi}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


async def test_default_classes_are_filled_in(world: ApiWorld) -> None:
    await world.ok("apply", "-f", "-", stdin=CLASSES)
    assert await world.ok("get", "pvc", "data", "-o", "jsonpath={.spec.storageClassName}") == "local"
    await world.ok("create", "ingress", "web", "--rule=a.example.com/=svc:80")
    assert await world.ok("get", "ingress", "web", "-o", "jsonpath={.spec.ingressClassName}") == "nginx"
    await world.ok("run", "p", "--image=b", '--overrides={"spec":{"runtimeClassName":"kata"}}')
    pod = json.loads(await world.ok("get", "pod", "p", "-o", "json"))["spec"]
    assert (pod["priorityClassName"], pod["priority"], pod["overhead"]) == ("usual", 5, {"memory": "64Mi"})
    await world.ok("create", "priorityclass", "patient", "--value=9", "--preemption-policy=Never")
    await world.ok("run", "w", "--image=b", '--overrides={"spec":{"priorityClassName":"patient"}}')
    policy = await world.ok("get", "pod", "w", "-o", "jsonpath={.spec.priority} {.spec.preemptionPolicy}")
    assert policy == "9 Never"
    second = await world.kubectl("create", "priorityclass", "other", "--value=1", "--global-default=true")
    assert "PriorityClass usual is already marked as default. Only one default can exist" in second.err
