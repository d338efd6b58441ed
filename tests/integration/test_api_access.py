"""Real users with real kubectl: roles, escalation, reviews, impersonation, nobody."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api_world import ApiWorld, api_world

VERSIONS = ("1.27", "1.30", "1.33")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        await running.ok("create", "namespace", "team")
        for role, name in (("view", "viewer"), ("edit", "editor"), ("admin", "owner")):
            await running.ok("create", "rolebinding", role, f"--clusterrole={role}", f"--user={name}", "-n", "team")
        yield running


async def said(world: ApiWorld, name: str, *arguments: str, version: str = "", stdin: str = "") -> str:
    """What kubectl says to a user, whether it succeeds or not."""
    result = await world.kubectl(*arguments, version=version, stdin=stdin, user=world.user(name))
    return (result.out + result.err).strip()


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_default_roles_hold_in_their_namespace(world: ApiWorld, version: str) -> None:
    async def can(name: str, *question: str) -> str:
        return (await said(world, name, "auth", "can-i", *question, version=version)).splitlines()[-1]

    assert await can("viewer", "get", "pods", "-n", "team") == "yes"
    assert await can("viewer", "get", "pods", "-n", "default") == "no"
    assert await can("viewer", "get", "secrets", "-n", "team") == "no"
    assert await can("viewer", "get", "pods", "--subresource=log", "-n", "team") == "yes"
    assert await can("editor", "create", "deployments.apps", "-n", "team") == "yes"
    assert await can("editor", "list", "pods", "--all-namespaces") == "no"
    assert await can("editor", "create", "roles.rbac.authorization.k8s.io", "-n", "team") == "no"
    assert await can("owner", "create", "rolebindings.rbac.authorization.k8s.io", "-n", "team") == "yes"
    assert await can("owner", "get", "/metrics") == "no"
    assert await can("owner", "get", "/version") == "yes"
    listed = await said(world, "viewer", "auth", "can-i", "--list", "-n", "team", version=version)
    assert "selfsubjectaccessreviews.authorization.k8s.io" in listed
    assert any(line.startswith("configmaps") and "[get list watch]" in line for line in listed.splitlines())
    assert "secrets" not in listed


@pytest.mark.parametrize("version", VERSIONS)
async def test_refusals_are_worded_as_kubernetes_words_them(world: ApiWorld, version: str) -> None:
    assert await said(world, "viewer", "get", "secrets", "-n", "team", version=version) == (
        'Error from server (Forbidden): secrets is forbidden: User "viewer" cannot list resource "secrets" '
        'in API group "" in the namespace "team"'
    )
    assert await said(world, "viewer", "get", "nodes", "x", version=version) == (
        'Error from server (Forbidden): nodes "x" is forbidden: User "viewer" cannot get resource "nodes" '
        'in API group "" at the cluster scope'
    )
    assert await said(world, "viewer", "get", "--raw", "/metrics", version=version) == (
        'Error from server (Forbidden): forbidden: User "viewer" cannot get path "/metrics"'
    )
    await world.ok("create", "rolebinding", "lost", "--role=gone", "--user=viewer", "-n", "team")
    assert (await said(world, "viewer", "delete", "cm", "x", "-n", "team", version=version)).endswith(
        'in the namespace "team": RBAC: role.rbac.authorization.k8s.io "gone" not found'
    )


async def test_an_admin_of_a_namespace_gives_what_he_holds_and_no_more(world: ApiWorld) -> None:
    bind = ("create", "rolebinding", "-n", "team", "--user=bob")
    assert (
        await said(world, "owner", *bind, "one", "--clusterrole=edit") == "rolebinding.rbac.authorization.k8s.io/one created"
    )
    assert await said(world, "bob", "auth", "can-i", "create", "pods", "-n", "team") == "yes"
    refused = await said(world, "owner", *bind, "two", "--clusterrole=cluster-admin")
    assert refused.splitlines()[1:] == [
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
        '{NonResourceURLs:["*"], Verbs:["*"]}',
    ]
    assert 'rolebindings.rbac.authorization.k8s.io "two" is forbidden: user "owner"' in refused
    assert "is attempting to grant RBAC permissions not currently held:" in refused
    role = ("create", "role", "-n", "team")
    assert "created" in await said(world, "owner", *role, "r", "--verb=get", "--resource=secrets")
    assert "not currently held" in await said(world, "owner", *role, "s", "--verb=get", "--resource=nodes")
    assert "cannot create resource" in await said(world, "editor", *role, "s", "--verb=get", "--resource=pods")
    await world.ok("create", "clusterrole", "nodes", "--verb=get", "--resource=nodes")
    assert "not currently held" in await said(world, "owner", *bind, "three", "--clusterrole=nodes")
    await world.ok("create", "clusterrole", "binder", "--verb=bind", "--resource=clusterroles", "--resource-name=nodes")
    await world.ok("create", "rolebinding", "binder", "--clusterrole=binder", "--user=owner", "-n", "team")
    assert "created" in await said(world, "owner", *bind, "three", "--clusterrole=nodes")
    assert 'clusterrole.rbac.authorization.k8s.io "none" not found' in await said(
        world, "owner", *bind, "four", "--clusterrole=none"
    )
    patch = '{"rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]}'
    patched = await said(world, "owner", "patch", "role", "r", "-n", "team", "--type=merge", "-p", patch)
    assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}' in patched
    assert "labeled" in await said(world, "owner", "label", "role", "r", "-n", "team", "a=b")


async def test_who_may_escalate_gives_more_than_he_holds(world: ApiWorld) -> None:
    verbs = "--verb=create,get,update,patch,escalate"
    await world.ok("create", "clusterrole", "esc", verbs, "--resource=clusterroles.rbac.authorization.k8s.io")
    await world.ok("create", "clusterrolebinding", "esc", "--clusterrole=esc", "--user=esc")
    assert "created" in await said(world, "esc", "create", "clusterrole", "big", "--verb=get", "--resource=nodes")
    await world.ok("create", "clusterrole", "mk", "--verb=create,get", "--resource=clusterroles.rbac.authorization.k8s.io")
    await world.ok("create", "clusterrolebinding", "mk", "--clusterrole=mk", "--user=mk")
    gathers = await said(world, "mk", "create", "clusterrole", "all", "--aggregation-rule=a=b")
    assert gathers.endswith("must have cluster-admin privileges to use the aggregationRule")


async def test_the_role_of_a_binding_never_changes(world: ApiWorld) -> None:
    patch = '{"roleRef":{"name":"cluster-admin"}}'
    result = await world.kubectl("patch", "rolebinding", "view", "-n", "team", "--type=merge", "-p", patch)
    assert "cannot change roleRef" in result.err


@pytest.mark.parametrize("version", VERSIONS)
async def test_auth_reconcile_brings_roles_up_to_a_manifest(world: ApiWorld, version: str) -> None:
    manifest = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: team}
rules: [{verbs: [get], apiGroups: [""], resources: [pods]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{kind: ServiceAccount, name: s, namespace: team}]
"""
    for _ in range(2):
        out = await world.ok("auth", "reconcile", "-f", "-", version=version, stdin=manifest)
        assert "role.rbac.authorization.k8s.io/r reconciled" in out
        assert "rolebinding.rbac.authorization.k8s.io/b reconciled" in out
    rules = json.loads(await world.ok("get", "role", "r", "-n", "team", "-o", "json"))["rules"]
    assert rules == [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]


async def test_a_restart_brings_back_what_is_missing_and_keeps_what_was_added(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world:
        await world.ok("delete", "clusterrole", "system:discovery", "view")
        added = '[{"op":"add","path":"/rules/-","value":{"verbs":["get"],"nonResourceURLs":["/mine"]}}]'
        await world.ok("patch", "clusterrole", "system:monitoring", "--type=json", "-p", added)
        off = "rbac.authorization.kubernetes.io/autoupdate=false"
        await world.ok("annotate", "--overwrite", "clusterrole", "system:public-info-viewer", off)
        await world.ok("patch", "clusterrole", "system:public-info-viewer", "--type=merge", "-p", '{"rules":[]}')
        assert (await world.kubectl("get", "pods", user=world.user("jane"))).code == 1
    shutil.rmtree(tmp_path / "user-admin")  # it names the port of the server that ended
    async with api_world(tmp_path) as world:
        listed = json.loads(await world.ok("get", "clusterroles", "-o", "json"))["items"]
        roles = {role["metadata"]["name"]: role for role in listed}
        assert {"system:discovery", "view"} <= roles.keys()
        assert {"verbs": ["get"], "nonResourceURLs": ["/mine"]} in roles["system:monitoring"]["rules"]
        assert not roles["system:public-info-viewer"].get("rules")
        before = world.registry.revision
    async with api_world(tmp_path) as world:
        # Nothing differs: only the endpoint of the kubernetes Service may have been written.
        assert world.registry.revision - before <= 2


@pytest.mark.parametrize("version", VERSIONS)
async def test_whoami_tells_who_one_is(world: ApiWorld, version: str) -> None:
    shown = json.loads(await said(world, "viewer", "auth", "whoami", "-o", "json", version=version))
    assert shown["status"]["userInfo"] == {"username": "viewer", "groups": ["system:authenticated"]}


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_admin_acts_as_others(world: ApiWorld, version: str) -> None:
    async def can(*arguments: str) -> str:
        result = await world.kubectl("auth", "can-i", *arguments, "-n", "team", version=version)
        return (result.out + result.err).strip().splitlines()[-1]

    assert await can("get", "secrets", "--as=viewer") == "no"
    assert await can("get", "secrets", "--as=editor") == "yes"
    assert await can("get", "secrets", "--as=bob", "--as-group=system:masters") == "yes"
    assert await can("get", "secrets", "--as=system:serviceaccount:team:robot", "--as-uid=1") == "no"
    await world.ok(
        "create", "rolebinding", "robots", "--clusterrole=edit", "--group=system:serviceaccounts:team", "-n", "team"
    )
    assert await can("get", "secrets", "--as=system:serviceaccount:team:robot") == "yes"
    whoami = await world.ok("auth", "whoami", "-o", "json", "--as=jane", "--as-group=dev", "--as-uid=7", version=version)
    told = {"username": "jane", "uid": "7", "groups": ["dev", "system:authenticated"]}
    assert json.loads(whoami)["status"]["userInfo"] == told


async def test_only_who_may_impersonate_does(world: ApiWorld) -> None:
    for name in ("viewer", "editor"):  # let kubectl read discovery as itself
        await said(world, name, "get", "pods", "-n", "team")
    refused = await said(world, "viewer", "get", "pods", "--as=owner", "-n", "team")
    assert refused == (
        'Error from server (Forbidden): users "owner" is forbidden: User "viewer" cannot impersonate resource "users" '
        'in API group "" at the cluster scope'
    )
    # edit may act as the service accounts of its namespace.
    acted = await said(world, "editor", "get", "pods", "--as=system:serviceaccount:team:x", "-n", "team")
    assert 'User "system:serviceaccount:team:x" cannot list resource "pods"' in acted
    elsewhere = await said(world, "editor", "get", "pods", "--as=system:serviceaccount:default:x", "-n", "team")
    assert 'User "editor" cannot impersonate resource "serviceaccounts"' in elsewhere


async def test_a_list_of_one_name_counts_as_that_name(world: ApiWorld) -> None:
    await world.ok(
        "create", "role", "one", "--verb=get,list,watch", "--resource=configmaps", "--resource-name=c", "-n", "team"
    )
    await world.ok("create", "rolebinding", "one", "--role=one", "--user=jane", "-n", "team")
    await world.ok("create", "configmap", "c", "-n", "team")
    assert "c " in await said(world, "jane", "get", "cm", "-n", "team", "--field-selector=metadata.name=c")
    assert 'configmaps "d" is forbidden' in await said(
        world, "jane", "get", "cm", "-n", "team", "--field-selector=metadata.name=d"
    )
    assert "configmaps is forbidden" in await said(world, "jane", "get", "cm", "-n", "team")
    await world.ok("create", "configmap", "d", "-n", "team")
    refused = await said(world, "jane", "delete", "--raw", "/api/v1/namespaces/team/configmaps?fieldSelector=metadata.name=d")
    assert "cannot deletecollection" in refused


async def test_reading_opens_no_connection_into_a_pod(world: ApiWorld) -> None:
    """A WebSocket begins with a GET: `get` alone must not be enough for it."""
    await world.ok("create", "role", "read", "--verb=get,list,watch", "--resource=pods,pods/exec,pods/attach", "-n", "team")
    await world.ok("create", "rolebinding", "read", "--role=read", "--user=reader", "-n", "team")
    await world.ok("run", "p", "--image=i", "-n", "team")
    async with world.http(world.user("reader")) as http:
        for stream in ("exec", "attach"):
            async with http.get(f"/api/v1/namespaces/team/pods/p/{stream}?command=sh") as response:
                message = (await response.json())["message"]
            assert f'User "reader" cannot create resource "pods/{stream}" in API group ""' in message


@pytest.mark.parametrize("version", VERSIONS)
async def test_reviews_are_created_like_objects(world: ApiWorld, version: str) -> None:
    def review(kind: str, **spec: object) -> str:
        metadata = {"namespace": "team"} if kind.startswith("Local") else {}
        return json.dumps({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec})

    secrets = {"verb": "get", "resource": "secrets", "namespace": "team"}
    create = ("create", "--validate=false", "-f", "-", "-o", "jsonpath={.status.allowed} {.status.reason}")
    asked = review("SubjectAccessReview", user="editor", resourceAttributes=secrets)
    assert await world.ok(*create, version=version, stdin=asked) == (
        'true RBAC: allowed by RoleBinding "edit/team" of ClusterRole "edit" to User "editor"'
    )
    local = review("LocalSubjectAccessReview", user="viewer", resourceAttributes=secrets)
    assert await said(world, "owner", *create, version=version, stdin=local) == "false"
    assert "cannot create resource" in await said(world, "viewer", *create, version=version, stdin=local)
    wrong = review("SubjectAccessReview", user="x")
    refused = await world.kubectl(*create, version=version, stdin=wrong)
    assert "exactly one of nonResourceAttributes or resourceAttributes must be specified" in refused.err


async def test_an_apply_that_creates_needs_the_permission_to_create(world: ApiWorld) -> None:
    await world.ok("create", "role", "patcher", "--verb=get,patch", "--resource=configmaps", "-n", "team")
    await world.ok("create", "rolebinding", "patcher", "--role=patcher", "--user=patcher", "-n", "team")
    manifest = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"team"},"data":{"a":"1"}}'
    for more in ((), ("--dry-run=server",)):
        refused = await said(world, "patcher", "apply", "--server-side", "-f", "-", *more, stdin=manifest)
        cannot = 'User "patcher" cannot create resource "configmaps" in API group "" in the namespace "team"'
        assert refused.endswith(f'configmaps "c" is forbidden: {cannot}')
    await world.ok("create", "configmap", "c", "-n", "team")
    assert "serverside-applied" in await said(world, "patcher", "apply", "--server-side", "-f", "-", stdin=manifest)


async def test_a_subresource_is_a_permission_of_its_own(world: ApiWorld) -> None:
    await world.ok("create", "role", "scaler", "--verb=get,patch", "--resource=deployments,deployments/scale", "-n", "team")
    await world.ok("create", "role", "looker", "--verb=get,list", "--resource=deployments", "-n", "team")
    for name in ("scaler", "looker"):
        await world.ok("create", "rolebinding", name, f"--role={name}", f"--user={name}", "-n", "team")
    await world.ok("create", "deployment", "d", "--image=i", "-n", "team")
    assert "scaled" in await said(world, "scaler", "scale", "deployment", "d", "--replicas=0", "-n", "team")
    assert 'cannot patch resource "deployments/scale" in API group "apps"' in await said(
        world, "looker", "scale", "deployment", "d", "--replicas=0", "-n", "team"
    )
    # Who may finalize what belongs to a namespace may not finalize the namespace itself.
    async with world.http(world.user("editor")) as http, http.put("/api/v1/namespaces/team/finalize", json={}) as response:
        assert 'cannot update resource "namespaces/finalize"' in (await response.json())["message"]


async def test_all_rights_in_one_namespace_reach_no_other(world: ApiWorld) -> None:
    """Counted as inside of `team`, the second namespace of such a path was any namespace."""
    await world.ok("create", "rolebinding", "all", "--clusterrole=cluster-admin", "--user=chief", "-n", "team")
    inner = "/api/v1/namespaces/team/namespaces"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}
    async with world.http(world.user("chief")) as http:
        async with http.get("/api/v1/namespaces/team") as response:
            assert response.status == 200
        for method, path in (
            ("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "?watch=1"),
            *((method, "/default") for method in ("GET", "PUT", "DELETE")),
            ("PUT", "/default/finalize"), ("GET", "/default/status"),
        ):  # fmt: skip
            async with http.request(method, inner + path, json=namespace) as response:
                assert response.status == 404, f"{method} {path}: {await response.text()}"


@pytest.mark.parametrize(
    "header", [b"Authorization: Bearer \xff\xfe", b"Impersonate-User: \xff", b"Impersonate-Extra-%ff: \xff"]
)
async def test_an_identity_that_is_no_text_is_refused(world: ApiWorld, header: bytes) -> None:
    user = None if header.startswith(b"Authorization") else world.admin()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(user))
    named = b"" if b"Extra" not in header else b"Impersonate-User: jane\r\n"
    writer.write(b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\n" + named + header + b"\r\n\r\n")
    status = (await reader.readline()).split()[1]
    assert status == (b"401" if user is None else b"400")
    writer.close()
