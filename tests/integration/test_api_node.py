"""A node's certificate at a real API: what it reaches, and a matrix over everything that is served of what it does not."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from lightkube.resources.core_v1 import Node, Pod

from master.client.kinds import decode
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
#: What a node may ask of whole resources, whatever its pods use; `create` and its own objects are NodeRestriction's matter.
OPEN = {
    "services": {"get", "list", "watch"},
    "endpoints": {"get"},
    "events": {"create", "update", "patch"},
    "pods": {"create", "delete"},
    "pods/status": {"update", "patch"},
    "pods/eviction": {"create"},
    "nodes": {"create", "update", "patch"},
    "nodes/status": {"update", "patch"},
    "certificatesigningrequests.certificates.k8s.io": {"create", "get", "list", "watch"},
    "csidrivers.storage.k8s.io": {"get", "list", "watch"},
    "csinodes.storage.k8s.io": {"create"},
    "runtimeclasses.node.k8s.io": {"get", "list", "watch"},
    "tokenreviews.authentication.k8s.io": {"create"},
    "selfsubjectreviews.authentication.k8s.io": {"create"},
    "subjectaccessreviews.authorization.k8s.io": {"create"},
    "localsubjectaccessreviews.authorization.k8s.io": {"create"},
    "selfsubjectaccessreviews.authorization.k8s.io": {"create"},
    "selfsubjectrulesreviews.authorization.k8s.io": {"create"},
}
METHODS = {
    "get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE",
    "deletecollection": "DELETE",
}  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


def node(world: ApiWorld, name: str) -> Path:
    return world.user(f"system:node:{name}", "system:nodes")


async def status(http: aiohttp.ClientSession, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    async with http.request(method, path, data=json.dumps(body or {}), headers={"Content-Type": kind}) as response:
        text = await response.text()
        return response.status, text


async def test_whatever_is_served_is_refused_unless_it_is_meant_for_nodes(world: ApiWorld) -> None:
    refused = 0
    async with world.http(world.admin()) as admin, world.http(node(world, "n1")) as http:
        async with admin.get("/apis") as response:
            groups = [version["groupVersion"] for group in (await response.json())["groups"] for version in group["versions"]]
        for version in ("v1", *groups):
            base = f"/apis/{version}" if "/" in version else f"/api/{version}"
            async with admin.get(base) as response:
                resources = (await response.json())["resources"]
            for resource in resources:
                plural, _, subresource = resource["name"].partition("/")
                group = version.partition("/")[0] if "/" in version else ""
                name = f"{plural}.{group}" if group else plural
                name = f"{name}/{subresource}" if subresource else name
                folder = f"{base}/namespaces/kube-system/{plural}" if resource["namespaced"] else f"{base}/{plural}"
                for verb, method in METHODS.items():
                    if verb in OPEN.get(name, ()):
                        continue
                    single = subresource or verb in ("get", "update", "patch", "delete")
                    path = f"{folder}/other" if single else folder
                    path += f"/{subresource}" if subresource else ""
                    path += "?watch=true" if verb == "watch" and not subresource else ""
                    if verb in ("list", "watch", "deletecollection") and subresource:
                        continue
                    code, text = await status(http, method, path)
                    assert code == 403, (verb, name, code, text)
                    refused += 1
    assert refused > 250


async def test_a_node_reaches_what_its_pods_use_and_no_more(world: ApiWorld) -> None:
    def pod(name: str, on: str, secret: str) -> str:
        volume = {"name": "v", "secret": {"secretName": secret}}
        spec = {"nodeName": on, "containers": [{"name": "c", "image": "i"}], "volumes": [volume]}
        return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})

    for name in ("mine", "theirs"):
        await world.ok("create", "secret", "generic", name, "--from-literal=a=b")
    await world.ok("create", "-f", "-", stdin=pod("one", "n1", "mine"))
    await world.ok("create", "-f", "-", stdin=pod("two", "n2", "theirs"))
    manifest = json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    own = node(world, "n1")
    assert (await world.kubectl("create", "-f", "-", stdin=manifest, user=own)).code == 0
    assert (
        (await world.kubectl("create", "-f", "-", stdin=manifest.replace("n1", "n2"), user=own))
        .err.strip()
        .endswith('node "n1" is not allowed to modify node "n2"')
    )

    async def said(*arguments: str) -> str:
        result = await world.kubectl(*arguments, user=own)
        return (result.out + result.err).strip()

    assert "Opaque" in await said("get", "secret", "mine")
    assert await said("get", "secret", "theirs") == (
        'Error from server (Forbidden): secrets "theirs" is forbidden: User "system:node:n1" cannot get resource "secrets" '
        'in API group "" in the namespace "default": no relationship found between node \'n1\' and this object'
    )
    assert "can only list/watch pods with spec.nodeName field selector" in await said("get", "pods", "-A")
    assert "one" in await said("get", "pods", "-A", "--field-selector=spec.nodeName=n1")
    assert "two" not in await said("get", "pods", "-A", "--field-selector=spec.nodeName=n1")
    assert "can only delete pods with spec.nodeName set to itself" in await said("delete", "pod", "two", "--wait=false")
    assert "not allowed to modify taints" in await said("taint", "node", "n1", "a=b:NoSchedule")
    assert "is not allowed to modify labels: node-role.kubernetes.io/x" in await said(
        "label", "node", "n1", "node-role.kubernetes.io/x="
    )
    assert "labeled" in await said("label", "node", "n1", "mine=yes")
    owner = '{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"x","uid":"u"}]}}'
    assert "not allowed to modify ownerReferences" in await said("patch", "node", "n1", "--type=merge", "-p", owner)
    assert "can only create mirror pods" in await said("run", "p", "--image=i")
    running = {"status": {"phase": "Running"}}
    async with world.http(own) as http:
        assert (await status(http, "PATCH", "/api/v1/namespaces/default/pods/one/status", running))[0] == 200
        code, text = await status(http, "PATCH", "/api/v1/namespaces/default/pods/two/status", running)
        assert (code, "can only update pod status for pods with spec.nodeName set to itself" in text) == (403, True)
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "two"}}
        code, text = await status(http, "POST", "/api/v1/namespaces/default/pods/two/eviction", eviction)
        assert (code, "pods with spec.nodeName set to itself" in text) == (403, True)
    await world.ok("delete", "pod", "one", "--force", "--grace-period=0")
    assert "no relationship found" in await said("get", "secret", "mine")


async def test_a_node_gets_tokens_for_its_own_pods_alone(world: ApiWorld) -> None:
    uids = {}
    for name, on in (("one", "n1"), ("two", "n2")):
        await world.ok("create", "serviceaccount", name)
        spec = {"nodeName": on, "serviceAccountName": name, "containers": [{"name": "c", "image": "i"}]}
        pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        uids[name] = await world.ok("create", "-f", "-", "-o", "jsonpath={.metadata.uid}", stdin=pod)

    async def token(account: str, pod: str = "") -> str:
        bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}", f"--bound-object-uid={uids[pod]}") if pod else ()
        result = await world.kubectl("create", "token", account, *bound, user=node(world, "n1"))
        return (result.out + result.err).strip()

    assert (await token("one", "one")).count(".") == 2
    assert (await token("one")).endswith("node requested token not bound to a pod")
    assert "no relationship found between node 'n1' and this object" in await token("two", "two")
    assert (await token("one", "two")).endswith("node requested token bound to a pod scheduled on a different node")


async def test_a_node_condition_without_status_is_stored_as_kubernetes_stores_it_and_typed_clients_read_it(
    world: ApiWorld,
) -> None:
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    half = {"status": {"conditions": [{"type": "Ready"}, None]}}
    async with world.http(world.admin()) as http:
        assert (await status(http, "POST", "/api/v1/nodes", made))[0] == 201
        code, text = await status(http, "PATCH", "/api/v1/nodes/n1/status", half)
        assert code == 200, text
        async with http.get("/api/v1/nodes/n1") as response:
            stored = await response.read()
    found = decode(Node, stored).status
    assert found is not None
    assert [(condition.type, condition.status) for condition in found.conditions or []] == [("Ready", ""), ("", "")]


async def test_the_scheduler_and_nodes_can_read_a_pod_whose_probe_sends_a_header_without_value(world: ApiWorld) -> None:
    probe = {"httpGet": {"port": 80, "httpHeaders": [{"name": "X-Empty"}]}}
    spec = {"containers": [{"name": "c", "image": "i", "livenessProbe": probe}]}
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    async with world.http(world.admin()) as http:
        code, text = await status(http, "POST", "/api/v1/namespaces/default/pods", made)
    assert code == 201, text
    found = decode(Pod, text.encode()).spec
    assert found is not None
    assert found.containers[0].livenessProbe.httpGet.httpHeaders[0].value == ""  # type: ignore[union-attr, index]
