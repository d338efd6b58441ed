"""Real kubectl with the kinds of core, apps, batch, autoscaling and policy: created, applied, shown, changed, scaled, deleted.

No controller acts on them here; what they do is not this API's to show.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
VERSIONS = ("1.27", "1.30", "1.33")

_POD: Json = {"containers": [{"name": "c", "image": "busybox:1"}]}
_TEMPLATE: Json = {"metadata": {"labels": {"app": "w"}}, "spec": _POD}
_WORKLOAD: Json = {"selector": {"matchLabels": {"app": "w"}}, "template": _TEMPLATE}
_CLAIM: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
_TARGET: Json = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "w"}
_MANIFESTS: list[tuple[str, str, Json]] = [
    ("v1", "ReplicationController", {"spec": {"replicas": 2, "template": _TEMPLATE}}),
    ("v1", "PodTemplate", {"template": _TEMPLATE}),
    ("v1", "LimitRange", {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}),
    ("v1", "PersistentVolumeClaim", {"spec": {**_CLAIM, "storageClassName": ""}}),
    ("v1", "PersistentVolume", {"spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "hostPath": {"path": "/d"}}}),
    ("apps/v1", "StatefulSet", {"spec": {
        **_WORKLOAD, "serviceName": "w", "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": _CLAIM}]}}),
    ("apps/v1", "DaemonSet", {"spec": _WORKLOAD}),
    ("apps/v1", "ControllerRevision", {"data": {"spec": {"a": 1}}, "revision": 3}),
    ("batch/v1", "CronJob", {"spec": {
        "schedule": "@daily", "timeZone": "Europe/Berlin",
        "jobTemplate": {"spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}}}}),
    ("autoscaling/v2", "HorizontalPodAutoscaler", {"spec": {
        "scaleTargetRef": _TARGET, "maxReplicas": 4, "behavior": {"scaleUp": {"selectPolicy": "Min"}},
        "metrics": [{"type": "Resource", "resource": {
            "name": "memory", "target": {"type": "AverageValue", "averageValue": "64Mi"}}}]}}),
]  # fmt: skip
MANIFESTS = yaml.safe_dump_all(
    {"apiVersion": version, "kind": kind, "metadata": {"name": "w", "labels": {"test": "yes"}}, **body}
    for version, kind, body in _MANIFESTS
)
_KINDS = "rc,podtemplates,limits,pvc,pv,sts,ds,controllerrevisions,cj,hpa"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


class Kubectl:
    """One version's kubectl against one world."""

    def __init__(self, world: ApiWorld, version: str) -> None:
        self._world = world
        self._version = version

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        return await self._world.ok(*arguments, version=self._version, stdin=stdin)

    async def refused(self, *arguments: str, stdin: str = "") -> str:
        result = await self._world.kubectl(*arguments, version=self._version, stdin=stdin)
        assert result.code != 0, result.out
        return result.err

    async def json(self, *arguments: str) -> Json:
        obj: Json = json.loads(await self(*arguments, "-o", "json"))
        return obj

    async def table(self, *arguments: str) -> list[list[str]]:
        """The columns' names and the cells, of a table whose columns are two or more blanks apart."""
        text = await self(*arguments)
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


@pytest.mark.parametrize("version", VERSIONS)
async def test_objects_from_manifests(world: ApiWorld, version: str) -> None:
    kubectl = Kubectl(world, version)
    created = await kubectl("apply", "-f", "-", stdin=MANIFESTS)
    assert created.count(" created\n") == len(_MANIFESTS)
    versions = ("get", _KINDS, "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    before = await kubectl(*versions)
    again = await kubectl("apply", "-f", "-", stdin=MANIFESTS)
    # Two have lists that a patch replaces as a whole, with what was defaulted in them: kubectl takes that for a change.
    assert again.count(" unchanged\n") == len(_MANIFESTS) - 2
    assert await kubectl(*versions) == before
    wide = await kubectl("get", _KINDS, "-o", "wide")
    for header in (
        "NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR",
        "NAME CONTAINERS IMAGES POD LABELS",
        "NAME CREATED AT",
        "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE VOLUMEMODE",
        "NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE VOLUMEMODE",
        "NAME READY AGE CONTAINERS IMAGES",
        "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE CONTAINERS IMAGES SELECTOR",
        "NAME CONTROLLER REVISION AGE",
        "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE CONTAINERS IMAGES SELECTOR",
        "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE",
    ):
        assert header in [" ".join(line.split()) for line in wide.splitlines()], header
    rows = {line.split()[0].split("/")[0]: line.split()[1:] for line in wide.splitlines() if "/w" in line}
    assert rows["persistentvolume"][:4] == ["1Gi", "RWO,ROX", "Retain", "Pending"]
    assert rows["statefulset.apps"][0] == "0/1"
    assert rows["cronjob.batch"][:4] == ["@daily", "Europe/Berlin", "False", "0"]
    assert rows["horizontalpodautoscaler.autoscaling"][:3] == ["StatefulSet/w", "memory:", "<unknown>/64Mi"]
    described = await kubectl("describe", _KINDS)
    for text in ("Volume Claims:", "Node-Selector:", "Reclaim Policy:", "Schedule:", "Max replicas:", "Container   cpu"):
        assert text in described, text
    assert "scaled" in await kubectl("scale", "sts/w", "rc/w", "--replicas=3")
    assert (await kubectl.json("get", "rc", "w"))["spec"]["replicas"] == 3
    assert "image updated" in await kubectl("set", "image", "ds/w", "c=busybox:2")
    assert "configured" in await kubectl(
        "apply", "-f", "-", stdin=MANIFESTS.replace("@daily", "0 4 * * 1-5").replace("maxReplicas: 4", "maxReplicas: 9")
    )
    refused = await kubectl.refused("patch", "sts", "w", "-p", '{"spec":{"serviceName":"other"}}')
    assert "updates to statefulset spec for fields other than" in refused
    refused = await kubectl.refused("patch", "pvc", "w", "-p", '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}')
    assert "spec is immutable after creation" in refused
    assert await kubectl("delete", "--wait=false", _KINDS, "-l", "test=yes")


@pytest.mark.parametrize("version", VERSIONS)
async def test_jobs_quotas_budgets_and_autoscalers_from_arguments(world: ApiWorld, version: str) -> None:
    kubectl = Kubectl(world, version)
    assert await kubectl("create", "job", "j", "--image=busybox", "--", "true") == "job.batch/j created\n"
    await kubectl("create", "cronjob", "c", "--image=busybox", "--schedule=*/5 * * * *", "--", "true")
    assert await kubectl("create", "job", "k", "--from=cronjob/c") == "job.batch/k created\n"
    refused = await kubectl.refused("create", "cronjob", "d", "--image=busybox", "--schedule=61 * * * *")
    assert 'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61' in refused
    await kubectl("create", "pdb", "p", "--selector=app=x", "--max-unavailable=25%")
    await kubectl("create", "quota", "q", "--hard=pods=3,requests.cpu=1", "--scopes=NotTerminating")
    await kubectl("create", "deployment", "d", "--image=nginx", "--replicas=2")
    await kubectl("autoscale", "deployment", "d", "--max=5", "--cpu-percent=50")
    await kubectl("expose", "deployment", "d", "--port=80")
    assert (await kubectl.table("get", "jobs"))[0] == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert (await kubectl.table("get", "jobs", "j"))[1][:3] == ["j", "Running", "0/1"]
    assert (await kubectl.table("get", "pdb"))[1][:4] == ["p", "N/A", "25%", "0"]
    assert (await kubectl.table("get", "quota"))[0] == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert (await kubectl.table("get", "hpa"))[1][:5] == ["d", "Deployment/d", "cpu: <unknown>/50%", "1", "5"]
    job = await kubectl.json("get", "job", "j")
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert f"batch.kubernetes.io/controller-uid={uid}" in await kubectl("describe", "job", "j")
    assert "k" in await kubectl("get", "jobs", "-l", "batch.kubernetes.io/job-name=k")
    assert "j" in await kubectl("get", "jobs", "--field-selector", "status.successful=0")
    assert (await kubectl.json("get", "horizontalpodautoscalers.v1.autoscaling", "d"))["spec"][
        "targetCPUUtilizationPercentage"
    ] == 50
    patch = '{"spec":{"targetCPUUtilizationPercentage":33}}'
    await kubectl("patch", "horizontalpodautoscalers.v1.autoscaling", "d", "-p", patch)
    second = await kubectl.json("get", "horizontalpodautoscalers.v2.autoscaling", "d")
    assert second["spec"]["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 33}
    assert "immutable" in await kubectl.refused("patch", "job", "j", "-p", '{"spec":{"completions":2}}')
    assert "patched" in await kubectl("patch", "cronjob", "c", "-p", '{"spec":{"suspend":true}}')
    await kubectl("describe", "pdb,quota,hpa,cj")
    everything = await kubectl("get", "all")
    for name in ("job.batch/j", "cronjob.batch/c", "horizontalpodautoscaler.autoscaling/d"):
        assert name in everything
    assert 'job.batch "j" deleted' in await kubectl("delete", "job", "j")
    assert "not found" in await kubectl.refused("get", "job", "j")


@pytest.mark.parametrize("version", ["1.33"])
async def test_what_kubectl_makes_in_itself_is_kept_as_it_is(world: ApiWorld, version: str) -> None:
    kubectl = Kubectl(world, version)
    for arguments in (
        ("job", "j", "--image=busybox"),
        ("cronjob", "c", "--image=busybox", "--schedule=@hourly"),
        ("pdb", "p", "--selector=app=x", "--min-available=1"),
        ("quota", "q", "--hard=pods=3"),
    ):
        local = json.loads(await kubectl("create", *arguments, "--dry-run=client", "-o", "json"))
        stored = json.loads(await kubectl("create", *arguments, "-o", "json"))
        assert_contains(stored["spec"], local["spec"], "spec")


def assert_contains(stored: Any, local: Any, path: str) -> None:
    """Everything that the client said is there; the server may have added to it. Empty values say nothing."""
    if isinstance(local, dict):
        for key, value in local.items():
            if value not in (None, "", {}, []):
                assert_contains(stored[key], value, f"{path}.{key}")
    elif isinstance(local, list):
        assert len(stored) == len(local), path
        for number, value in enumerate(local):
            assert_contains(stored[number], value, f"{path}[{number}]")
    else:
        assert stored == local, path


async def test_a_pod_is_resized_by_kubectl(world: ApiWorld) -> None:
    kubectl = Kubectl(world, "1.33")
    pod = {"name": "c", "image": "busybox", "resources": {"requests": {"cpu": "1", "memory": "64Mi"}}}
    await kubectl("run", "p", "--image=busybox", f"--overrides={json.dumps({'spec': {'containers': [pod]}})}")
    more = '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"2"}}}]}}'
    await kubectl("patch", "pod", "p", "--subresource=resize", "-p", more)
    stored = await kubectl.json("get", "pod", "p")
    assert stored["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "64Mi"}
    assert "pod updates may not change fields" in await kubectl.refused("patch", "pod", "p", "-p", more.replace('"2"', '"3"'))
