"""Unmodified kubectl of several versions against the API, without nodes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api_world import ApiWorld, api_world

VERSIONS = ("1.27", "1.30", "1.33")
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "busybox:1", ports: [{containerPort: 80}]}
      - {name: side, image: "busybox:1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_manifest_is_applied_changed_and_deleted(world: ApiWorld, version: str) -> None:
    async def kubectl(*arguments: str, stdin: str = "") -> str:
        return await world.ok(*arguments, version=version, stdin=stdin)

    assert await kubectl("apply", "-f", "-", stdin=MANIFEST) == "deployment.apps/web created\nservice/web created\n"
    assert await kubectl("apply", "-f", "-", stdin=MANIFEST) == "deployment.apps/web unchanged\nservice/web unchanged\n"
    changed = MANIFEST.replace("busybox:1", "busybox:2", 1).replace("replicas: 2", "replicas: 3")
    assert await kubectl("apply", "-f", "-", stdin=changed) == "deployment.apps/web configured\nservice/web unchanged\n"
    deployment = json.loads(await kubectl("get", "deploy", "web", "-o", "json"))
    images = [container["image"] for container in deployment["spec"]["template"]["spec"]["containers"]]
    assert (deployment["spec"]["replicas"], images) == (3, ["busybox:2", "busybox:1"])
    columns = (await kubectl("get", "deploy,svc", "-o", "wide")).split()
    assert {"UP-TO-DATE", "CONTAINERS", "IMAGES", "CLUSTER-IP", "PORT(S)", "SELECTOR"} <= set(columns)
    assert "kind: Service" in await kubectl("get", "svc", "web", "-o", "yaml")
    assert "RollingUpdate" in await kubectl("describe", "deploy", "web")
    assert "Type:                     NodePort" in await kubectl("describe", "svc", "web")
    await kubectl("delete", "-f", "-", stdin=MANIFEST)
    assert (await world.kubectl("get", "deploy", "web", version=version)).err.strip() == (
        'Error from server (NotFound): deployments.apps "web" not found'
    )


@pytest.mark.parametrize("version", [*VERSIONS, "1.32"])
async def test_typed_commands_create_objects(world: ApiWorld, version: str) -> None:
    """kubectl 1.32 and newer send these as protobuf."""

    async def kubectl(*arguments: str) -> str:
        return await world.ok(*arguments, version=version)

    assert await kubectl("create", "namespace", "team") == "namespace/team created\n"
    await kubectl("create", "configmap", "c", "--from-literal=a=b", "-n", "team")
    assert await kubectl("get", "cm", "c", "-n", "team", "-o", "jsonpath={.data.a}") == "b"
    await kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert await kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}/{.type}") == "Yg==/Opaque"
    await kubectl("create", "deployment", "d", "--image=busybox", "--replicas=3", "--port=80")
    assert await kubectl("get", "deploy", "d", "-o", "jsonpath={.spec.replicas}") == "3"
    await kubectl("expose", "deployment", "d", "--type=NodePort")
    assert int(await kubectl("get", "svc", "d", "-o", "jsonpath={.spec.ports[0].nodePort}")) >= 30000
    await kubectl("create", "serviceaccount", "bob")
    await kubectl(
        "run", "p", "--image=busybox", "--env=A=B", "--labels=x=y", "--overrides", '{"spec":{"serviceAccountName":"bob"}}'
    )
    assert await kubectl("get", "pod", "p", "-o", "jsonpath={.spec.serviceAccountName} {.status.phase}") == "bob Pending"
    assert await kubectl("auth", "can-i", "delete", "pods") == "yes\n"


@pytest.mark.parametrize("version", VERSIONS)
async def test_objects_are_edited_in_every_way(world: ApiWorld, version: str, tmp_path: Path) -> None:
    async def kubectl(*arguments: str) -> str:
        return await world.ok(*arguments, version=version)

    await world.ok("apply", "-f", "-", version=version, stdin=MANIFEST)
    await kubectl("scale", "deploy", "web", "--replicas=5")
    await kubectl("set", "image", "deploy/web", "c=busybox:9")
    await kubectl("label", "deploy", "web", "tier=front")
    await kubectl("annotate", "deploy", "web", "note=x")
    await kubectl("patch", "deploy", "web", "--type=json", "-p", '[{"op":"add","path":"/metadata/labels/j","value":"1"}]')
    await kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"metadata":{"labels":{"m":"1"}}}')
    containers = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox:8"}]}}}}'
    await kubectl("patch", "deploy", "web", "-p", containers)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/tier: front/tier: back/' \"$1\"\n")
    editor.chmod(0o755)
    edited = await world.ok("edit", "deploy", "web", version=version, env={"EDITOR": str(editor)})
    assert edited == "deployment.apps/web edited\n"
    await kubectl("rollout", "pause", "deploy/web")
    got = json.loads(await kubectl("get", "deploy", "web", "-o", "json"))
    assert got["metadata"]["labels"] == {"tier": "back", "j": "1", "m": "1"}
    assert got["metadata"]["annotations"]["note"] == "x"
    spec = got["spec"]
    assert (spec["replicas"], spec["paused"]) == (5, True)
    assert [c["image"] for c in spec["template"]["spec"]["containers"]] == ["busybox:9", "busybox:8"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_api_explains_itself(world: ApiWorld, version: str) -> None:
    async def kubectl(*arguments: str) -> str:
        return await world.ok(*arguments, version=version)

    names = (await kubectl("api-resources", "-o", "name")).split()
    assert {"pods", "services", "deployments.apps", "endpointslices.discovery.k8s.io", "leases.coordination.k8s.io"} <= set(
        names
    )
    assert "apps/v1" in (await kubectl("api-versions")).split()
    assert "Container image name" in await kubectl("explain", "pod.spec.containers.image")
    assert "FIELDS:" in await kubectl("explain", "deployment.spec")
    assert "Server Version" in await kubectl("version")
    assert "Kubernetes control plane" in await kubectl("cluster-info")
    assert "system:masters" in await kubectl("auth", "whoami") if version != "1.27" else True
    assert set((await kubectl("get", "ns", "-o", "name")).split()) == {
        "namespace/default", "namespace/kube-system", "namespace/kube-public", "namespace/kube-node-lease",
    }  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
async def test_waiting_and_watching(world: ApiWorld, version: str) -> None:
    await world.ok("run", "p", "--image=busybox", version=version)
    met = await world.ok("wait", "pod/p", "--for=jsonpath={.status.phase}=Pending", "--timeout=5s", version=version)
    assert met == "pod/p condition met\n"
    late = await world.kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=1s", version=version)
    assert late.err == "error: timed out waiting for the condition on pods/p\n"
    await world.ok("delete", "pod", "p", version=version)
    await world.ok("wait", "pod/p", "--for=delete", "--timeout=5s", version=version)
    watched = await world.kubectl("get", "svc", "-w", "--request-timeout=1s", version=version)
    assert watched.out.splitlines()[1].split()[:3] == ["kubernetes", "ClusterIP", "10.96.0.1"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_bad_manifests_are_refused_with_the_field(world: ApiWorld, version: str) -> None:
    async def refused(manifest: str) -> str:
        result = await world.kubectl("apply", "-f", "-", version=version, stdin=manifest)
        assert result.code == 1
        return result.err

    assert 'strict decoding error: unknown field "spec.foo"' in await refused(MANIFEST.replace("replicas: 2", "foo: 2"))
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32" in await refused(
        MANIFEST.replace("replicas: 2", "replicas: two")
    )
    assert 'The Deployment "Web" is invalid: metadata.name: Invalid value: "Web"' in await refused(
        MANIFEST.replace("metadata: {name: web}", "metadata: {name: Web}", 1)
    )
    assert "spec.template.spec.containers[0].image: Required value" in await refused(
        MANIFEST.replace('image: "busybox:1", ports', "ports", 1)
    )
    assert "`selector` does not match template `labels`" in await refused(
        MANIFEST.replace("labels: {app: web}", "labels: {a: b}")
    )


async def test_a_rejected_user_is_told_why(world: ApiWorld) -> None:
    jane = world.user("jane")
    result = await world.kubectl("get", "pods", user=jane)
    assert result.err == (
        'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" '
        'in the namespace "default"\n'
    )
    assert (await world.kubectl("auth", "can-i", "get", "pods", user=jane)).out == "no\n"
    assert "jane" in (await world.kubectl("auth", "whoami", user=jane)).out
