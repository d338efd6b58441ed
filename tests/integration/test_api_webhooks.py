"""Admission webhooks against a real HTTPS server: who is called with what, and what comes of the answers."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from master.api.kinds.registry import KINDS
from master.api.settings import ApiSettings
from tests.integration.api_fuzz import collection, name_of
from tests.integration.api_objects import example
from tests.integration.api_world import ApiWorld, api_world
from tests.integration.webhook_server import Answer, Json, WebhookServer, allowed, denied, patched, slowly, webhook_server

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
GROUP = "/apis/admissionregistration.k8s.io/v1"
ALL_OPERATIONS = ["CREATE", "UPDATE", "DELETE"]


def rule(*operations: str, group: str = "", resources: str = "configmaps", **more: Any) -> Json:
    return {
        "operations": list(operations) or ALL_OPERATIONS,
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "resources": [resources],
        **more,
    }


def hook(server: WebhookServer, path: str, *rules: Json, **more: Any) -> Json:
    return {
        "name": f"{path}.example.com",
        "clientConfig": server.config(path),
        "rules": list(rules) or [rule()],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
        **more,
    }


class Hooks:
    """A server, its webhooks, and an administrator's HTTP client."""

    def __init__(self, world: ApiWorld, server: WebhookServer, http: aiohttp.ClientSession) -> None:
        self.world = world
        self.server = server
        self.http = http

    async def configure(self, kind: str, *hooks: Json, name: str = "test") -> None:
        plural = f"{kind.lower()}webhookconfigurations"
        body = {"metadata": {"name": name}, "webhooks": list(hooks)}
        async with self.http.post(f"{GROUP}/{plural}", json=body) as response:
            assert response.status == 201, await response.text()

    async def mutating(self, *hooks: Json, name: str = "test") -> None:
        await self.configure("Mutating", *hooks, name=name)

    async def validating(self, *hooks: Json, name: str = "test") -> None:
        await self.configure("Validating", *hooks, name=name)

    async def create(self, name: str = "a", path: str = CONFIG_MAPS, **body: Any) -> tuple[int, Json]:
        async with self.http.post(path, json={"metadata": {"name": name, **body.pop("metadata", {})}, **body}) as response:
            return response.status, await response.json()

    def requests(self, path: str = "") -> list[Json]:
        """The reviews that were asked, of one path or of all."""
        return [body["request"] for asked, body in self.server.received if asked.startswith(f"/{path}")]


@asynccontextmanager
async def hooks(folder: Path, answer: Answer) -> AsyncIterator[Hooks]:
    async with (
        api_world(folder) as world,
        webhook_server(folder, answer) as server,
        world.http(world.admin()) as http,
    ):
        yield Hooks(world, server, http)


def by_path(review: Json, path: str) -> Json | web.Response:
    """The answer that a path is named after."""
    match path:
        case "deny":
            return denied(review, message="not today", code=403, reason="Forbidden")
        case "deny-silently":
            return denied(review)
        case "label":
            return patched(review, {"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}})
        case "warn":
            return allowed(review, warnings=["mind the gap"], auditAnnotations={"why": "because"})
        case "wrong-uid":
            return {**allowed(review), "response": {"uid": "x", "allowed": True}}
        case "no-json":
            return web.Response(text="hello")
        case "broken":
            return web.Response(status=500, text="out of order")
    return allowed(review)


async def test_a_refusal_reaches_the_client_in_kubernetes_words(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        await found.validating(hook(found.server, "deny"))
        code, status = await found.create()
        assert code == 403
        assert status["message"] == 'admission webhook "deny.example.com" denied the request: not today'
        assert status["reason"] == "Forbidden"
        result = await found.world.kubectl("create", "configmap", "b", version="1.33")
        assert result.err.strip() == (
            'error: failed to create configmap: admission webhook "deny.example.com" denied the request: not today'
        )
        async with found.http.get(f"{CONFIG_MAPS}/a") as response:
            assert response.status == 404


async def test_a_refusal_without_reason_is_a_bad_request(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        await found.validating(hook(found.server, "deny-silently"))
        code, status = await found.create()
        assert (code, status["message"]) == (
            400,
            'admission webhook "deny-silently.example.com" denied the request without explanation',
        )


async def test_the_review_says_what_is_asked_by_whom(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        await found.validating(hook(found.server, "ok"))
        await found.create(data={"k": "1"})
        async with found.http.patch(
            f"{CONFIG_MAPS}/a?dryRun=All", json={"data": {"k": "2"}}, headers={"Content-Type": "application/merge-patch+json"}
        ) as response:
            assert response.status == 200
        async with found.http.delete(f"{CONFIG_MAPS}/a", json={"propagationPolicy": "Background"}) as response:
            assert response.status == 200
        created, updated, deleted = found.requests()
        assert created["kind"] == created["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert created["resource"] == created["requestResource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert (created["operation"], created["name"], created["namespace"]) == ("CREATE", "a", "default")
        assert created["userInfo"]["username"] == "admin"
        assert created["oldObject"] is None
        assert created["object"]["data"] == {"k": "1"}
        assert "uid" not in created["object"]["metadata"], "it has none before it was admitted"
        assert created["dryRun"] is False
        assert created["options"]["kind"] == "CreateOptions"
        assert (updated["operation"], updated["dryRun"], updated["options"]["dryRun"]) == ("UPDATE", True, ["All"])
        assert (updated["oldObject"]["data"], updated["object"]["data"]) == ({"k": "1"}, {"k": "2"})
        assert updated["object"]["metadata"]["uid"]
        assert (deleted["operation"], deleted["object"]) == ("DELETE", None)
        assert deleted["oldObject"]["data"] == {"k": "1"}
        assert deleted["options"] == {
            "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "propagationPolicy": "Background",
        }  # fmt: skip


async def test_a_generated_name_is_not_known_yet(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        await found.mutating(hook(found.server, "label"))
        async with found.http.post(CONFIG_MAPS, json={"metadata": {"generateName": "x-"}}) as response:
            made = await response.json()
        assert made["metadata"]["name"].startswith("x-")
        assert made["metadata"]["labels"] == {"seen": "yes"}
        (asked,) = found.requests()
        assert "name" not in asked
        assert "name" not in asked["object"]["metadata"]


async def test_patches_apply_in_order_then_defaults_and_validation(tmp_path: Path) -> None:
    def answer(review: Json, path: str) -> Json:
        obj = review["request"]["object"]
        if path == "first":
            return patched(review, {"op": "add", "path": "/spec/containers/-", "value": {"name": "side", "image": "side"}})
        if path == "second":
            names = ",".join(container["name"] for container in obj["spec"]["containers"])
            return patched(review, {"op": "add", "path": "/metadata/annotations", "value": {"saw": names}})
        return patched(review, {"op": "replace", "path": "/spec/containers/0/name", "value": "Not_Valid"})

    pods = rule("CREATE", resources="pods")
    path = "/api/v1/namespaces/default/pods"
    spec = {"containers": [{"name": "main", "image": "main"}]}
    async with hooks(tmp_path, answer) as found:
        # The order is that of the configurations' names, then of the hooks in each.
        await found.mutating(hook(found.server, "second", pods), name="b")
        await found.mutating(hook(found.server, "first", pods), name="a")
        code, pod = await found.create(path=path, spec=spec)
        assert code == 201, pod
        side = pod["spec"]["containers"][1]
        assert (side["name"], side["imagePullPolicy"], side["terminationMessagePath"]) == (
            "side",
            "Always",
            "/dev/termination-log",
        )
        assert pod["metadata"]["annotations"] == {"saw": "main,side"}
        await found.mutating(hook(found.server, "third", pods), name="c")
        code, status = await found.create("b", path=path, spec=spec)
        assert code == 422
        assert 'spec.containers[0].name: Invalid value: "Not_Valid"' in status["message"]


async def test_a_webhook_cannot_change_what_only_the_server_sets(tmp_path: Path) -> None:
    def answer(review: Json, path: str) -> Json:
        return patched(
            review,
            {"op": "add", "path": "/metadata/uid", "value": "mine"},
            {"op": "add", "path": "/metadata/creationTimestamp", "value": "2000-01-01T00:00:00Z"},
            {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
        )

    async with hooks(tmp_path, answer) as found:
        await found.mutating(hook(found.server, "x"))
        _, made = await found.create()
        assert made["metadata"]["labels"] == {"x": "y"}
        assert made["metadata"]["uid"] != "mine"
        assert not made["metadata"]["creationTimestamp"].startswith("2000")
        applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
        async with found.http.patch(
            f"{CONFIG_MAPS}/a?fieldManager=me", json=applied, headers={"Content-Type": "application/apply-patch+yaml"}
        ) as response:
            updated = await response.json()
        assert updated["metadata"]["uid"] == made["metadata"]["uid"]
        assert updated["data"] == {"k": "v"}
        assert "me" in [entry["manager"] for entry in updated["metadata"]["managedFields"]]


async def test_a_webhook_that_wants_it_is_called_again_when_a_later_one_changed_something(tmp_path: Path) -> None:
    def answer(review: Json, path: str) -> Json:
        labels = review["request"]["object"]["metadata"].get("labels") or {}
        if path == "later" and "later" not in labels:
            return patched(review, {"op": "add", "path": "/metadata/labels", "value": {**labels, "later": "yes"}})
        return allowed(review)

    async with hooks(tmp_path, answer) as found:
        await found.mutating(
            hook(found.server, "again", reinvocationPolicy="IfNeeded"), hook(found.server, "once"), hook(found.server, "later")
        )
        await found.create()
        assert [path.partition("?")[0] for path, _ in found.server.received] == ["/again", "/once", "/later", "/again"]
        found.server.received.clear()
        await found.create("b", metadata={"labels": {"later": "yes"}})
        assert len(found.server.received) == 3, "nothing changed: nobody is called again"


async def test_what_cannot_be_called_fails_or_passes_as_its_policy_says(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        for path, words in (
            (
                "broken",
                'failed to call webhook: an error on the server ("out of order") has prevented the request from succeeding',
            ),
            ("no-json", "failed to call webhook: couldn't get version/kind; json parse error"),
            ("wrong-uid", "received invalid webhook response: expected response.uid="),
        ):
            await found.validating(hook(found.server, path), name=path)
            code, status = await found.create()
            assert (code, status["reason"]) == (500, "InternalError")
            start = f'Internal error occurred: failed calling webhook "{path}.example.com": '
            assert status["message"].startswith(start + words), status["message"]
            async with found.http.delete(f"{GROUP}/validatingwebhookconfigurations/{path}") as response:
                assert response.status == 200
        await found.mutating(hook(found.server, "broken", failurePolicy="Ignore"), name="ignored")
        await found.validating(hook(found.server, "no-json", failurePolicy="Ignore"), name="ignored")
        code, _ = await found.create()
        assert code == 201


async def test_a_slow_webhook_ends_with_its_time_out(tmp_path: Path) -> None:
    async with hooks(tmp_path, lambda review, path: slowly(20, allowed(review))) as found:
        await found.validating(hook(found.server, "slow", timeoutSeconds=1))
        code, status = await found.create()
        assert code == 500
        assert status["message"].endswith('/slow?timeout=1s": context deadline exceeded')


async def test_validating_webhooks_are_asked_at_once(tmp_path: Path) -> None:
    async with hooks(tmp_path, lambda review, path: slowly(0.4, allowed(review))) as found:
        await found.validating(*(hook(found.server, f"v{number}") for number in range(5)))
        async with found.http.post(
            CONFIG_MAPS, json={"metadata": {"name": "a"}}, timeout=aiohttp.ClientTimeout(1.5)
        ) as response:
            assert response.status == 201
        assert len(found.server.received) == 5


async def test_dry_run_calls_only_webhooks_without_side_effects(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        await found.validating(hook(found.server, "fine", sideEffects="NoneOnDryRun"))
        async with found.http.post(f"{CONFIG_MAPS}?dryRun=All", json={"metadata": {"name": "a"}}) as response:
            assert response.status == 201
        assert found.requests("fine")[0]["dryRun"] is True


async def test_warnings_reach_kubectl(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        await found.validating(hook(found.server, "warn"))
        for version in ("1.31", "1.33"):
            result = await found.world.kubectl("create", "configmap", f"c{version}", version=version)
            assert result.code == 0
            assert "Warning: mind the gap" in result.err


async def test_selectors_rules_and_conditions_say_who_is_called(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        await found.validating(
            hook(found.server, "all"),
            hook(found.server, "labelled", objectSelector={"matchLabels": {"app": "x"}}),
            hook(found.server, "namespaced", namespaceSelector={"matchLabels": {"team": "y"}}),
            hook(found.server, "deletions", rule("DELETE")),
            hook(found.server, "cluster", rule(scope="Cluster")),
            hook(
                found.server,
                "conditions",
                matchConditions=[
                    {"name": "big", "expression": "object != null && has(object.data) && size(object.data) > 1"},
                    {"name": "who", "expression": "request.userInfo.username == 'admin'"},
                ],
            ),
            hook(
                found.server,
                "authorized",
                matchConditions=[
                    {
                        "name": "may",
                        "expression": "authorizer.group('').resource('pods').namespace('a').check('get').allowed()",
                    },
                    {"name": "own", "expression": "authorizer.requestResource.check('create').allowed()"},
                ],
            ),
        )
        await found.create()
        assert sorted(path.partition("?")[0] for path, _ in found.server.received) == ["/all", "/authorized"]
        found.server.received.clear()
        async with found.http.post(
            "/api/v1/namespaces", json={"metadata": {"name": "n", "labels": {"team": "y"}}}
        ) as response:
            assert response.status == 201
        await found.create(
            path="/api/v1/namespaces/n/configmaps", metadata={"labels": {"app": "x"}}, data={"a": "1", "b": "2"}
        )
        assert sorted(path.partition("?")[0] for path, _ in found.server.received) == [
            "/all", "/authorized", "/conditions", "/labelled", "/namespaced",
        ]  # fmt: skip
        found.server.received.clear()
        async with found.http.delete(f"{CONFIG_MAPS}/a") as response:
            assert response.status == 200
        assert "/deletions" in [path.partition("?")[0] for path, _ in found.server.received]


async def test_a_condition_that_fails_is_judged_by_the_failure_policy(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        failing = [{"name": "f", "expression": "object.data.missing == 'x'"}]
        await found.validating(hook(found.server, "open", matchConditions=failing, failurePolicy="Ignore"), name="a")
        code, _ = await found.create()
        assert (code, found.server.received) == (201, [])
        await found.validating(hook(found.server, "closed", matchConditions=failing), name="b")
        code, status = await found.create("b")
        assert code == 403
        assert "resulted in error: no such key: " in status["message"]
        assert found.server.received == []


async def test_the_same_object_in_another_group_is_seen_by_match_policy_equivalent(tmp_path: Path) -> None:
    events = rule("CREATE", resources="events", group="events.k8s.io")
    async with hooks(tmp_path, by_path) as found:
        await found.validating(
            hook(found.server, "equivalent", events), hook(found.server, "exact", events, matchPolicy="Exact")
        )
        event: Json = {
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
            "reason": "Tested",
            "type": "Normal",
        }
        code, made = await found.create(path="/api/v1/namespaces/default/events", **event)
        assert code == 201, made
        (asked,) = found.requests()
        assert asked["kind"] == {"group": "events.k8s.io", "version": "v1", "kind": "Event"}
        assert asked["requestKind"] == {"group": "", "version": "v1", "kind": "Event"}
        assert asked["object"]["apiVersion"] == "events.k8s.io/v1"
        assert asked["object"]["regarding"]["name"] == "p"


async def test_subresources_are_seen_as_what_they_are(tmp_path: Path) -> None:
    async with hooks(tmp_path, by_path) as found:
        await found.mutating(
            hook(found.server, "scale", rule("UPDATE", group="apps", resources="deployments/scale")),
            hook(found.server, "pods", rule("CREATE", "UPDATE", "CONNECT", resources="pods/*")),
        )
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        deployment: Json = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
        code, _ = await found.create(path="/apis/apps/v1/namespaces/default/deployments", **deployment)
        assert code == 201
        await found.world.ok("scale", "deployment", "a", "--replicas=3")
        (scaled,) = found.requests("scale")
        assert scaled["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        assert (scaled["subResource"], scaled["object"]["spec"], scaled["oldObject"]["spec"]) == (
            "scale",
            {"replicas": 3},
            {"replicas": 1},
        )
        code, _ = await found.create(path="/api/v1/namespaces/default/pods", spec=template["spec"])
        binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n"}}
        async with found.http.post("/api/v1/namespaces/default/pods/a/binding", json=binding) as response:
            assert response.status == 201, await response.text()
        bound = found.requests("pods")[-1]
        assert (bound["operation"], bound["kind"]["kind"], bound["oldObject"]) == ("CREATE", "Binding", None)
        assert bound["object"]["target"]["name"] == "n"
        async with found.http.post("/api/v1/namespaces/default/pods/a/eviction", json={"metadata": {"name": "a"}}) as response:
            assert response.status == 201, await response.text()
        evicted = next(asked for asked in found.requests("pods") if asked.get("subResource") == "eviction")
        assert (evicted["operation"], evicted["kind"]["kind"]) == ("CREATE", "Eviction")


class OpenDoor:
    """A StreamingHandler that says that the connection was let in."""

    async def handle(self, request: web.Request, pod: Json, subresource: str) -> web.StreamResponse:
        return web.Response(text=f"connected to {subresource}")


async def test_a_connection_to_a_pod_can_be_refused(tmp_path: Path) -> None:
    def answer(review: Json, path: str) -> Json:
        command = review["request"]["object"].get("command")
        return denied(review, message="no shells", code=403) if command == ["sh"] else allowed(review)

    async with (
        api_world(tmp_path, streaming=OpenDoor()) as world,
        webhook_server(tmp_path, answer) as server,
        world.http(world.admin()) as http,
    ):
        found = Hooks(world, server, http)
        spec = {"containers": [{"name": "c", "image": "i"}]}
        code, _ = await found.create(path="/api/v1/namespaces/default/pods", spec=spec)
        assert code == 201
        await found.validating(hook(server, "connect", rule("CONNECT", resources="pods/exec")))
        path = "/api/v1/namespaces/default/pods/a"
        async with http.get(f"{path}/exec?command=sh&stdin=true&container=c") as response:
            assert response.status == 403
            assert (await response.json())["message"].endswith("denied the request: no shells")
        async with http.get(f"{path}/exec?command=ls&stdout=true") as response:
            assert await response.text() == "connected to exec"
        async with http.get(f"{path}/attach?stdout=true") as response:
            assert await response.text() == "connected to attach"
        first = found.requests()[0]
        assert (first["operation"], first["kind"]["kind"], first["oldObject"]) == ("CONNECT", "PodExecOptions", None)
        assert first["object"] == {
            "kind": "PodExecOptions", "apiVersion": "v1", "stdin": True, "container": "c", "command": ["sh"],
        }  # fmt: skip
        assert len(found.requests()) == 2


async def test_every_kind_passes_a_webhook_that_changes_it(tmp_path: Path) -> None:
    def answer(review: Json, path: str) -> Json:
        return patched(review, {"op": "add", "path": "/metadata/labels", "value": {"seen": review["request"]["operation"]}})

    everything = {"operations": ["CREATE", "UPDATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    async with hooks(tmp_path, answer) as found:
        await found.mutating(hook(found.server, "label", everything))
        for kind in KINDS:
            body = example(kind)
            exempt = kind.group == "admissionregistration.k8s.io" or kind.stored_as is not None
            if "create" not in kind.verbs or exempt or body is None:
                continue
            name = name_of(kind)
            code, made = await found.create(name, path=collection(kind), **body)
            assert code == 201, str(made)
            assert made["metadata"]["labels"]["seen"] == "CREATE", kind.kind
            if "update" in kind.verbs:
                status = 409
                while status == 409:  # controllers write their status meanwhile
                    async with found.http.get(f"{collection(kind)}/{name}") as response:
                        made["metadata"]["resourceVersion"] = (await response.json())["metadata"]["resourceVersion"]
                    async with found.http.put(f"{collection(kind)}/{name}", json=made) as response:
                        status, updated = response.status, await response.json()
                assert status == 200, str(updated)
                assert updated["metadata"]["labels"]["seen"] == "UPDATE", kind.kind


async def test_no_webhook_sees_the_configurations_of_webhooks(tmp_path: Path) -> None:
    everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
    async with hooks(tmp_path, by_path) as found:
        await found.validating(hook(found.server, "deny", everything))
        code, _ = await found.create()
        assert code == 403
        result = await found.world.kubectl("delete", "validatingwebhookconfiguration", "test")
        assert result.code == 0, result.err
        code, _ = await found.create()
        assert code == 201


def _version(name: str, *, storage: bool) -> Json:
    spec = {
        "type": "object",
        "properties": {"size": {"type": "integer", "default": 1, "maximum": 9}, "color": {"type": "string"}},
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {"name": name, "served": True, "storage": storage, "schema": schema, "subresources": {"status": {}}}


async def test_custom_resources_are_seen_in_the_version_that_the_rules_name(tmp_path: Path) -> None:
    def answer(review: Json, path: str) -> Json:
        if path == "paint":
            return patched(review, {"op": "add", "path": "/spec/color", "value": "red"})
        if path == "grow":
            return patched(review, {"op": "replace", "path": "/spec/size", "value": 10})
        return allowed(review)

    widgets = {"group": "example.com", "resources": "widgets"}
    definition: Json = {
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [_version("v1", storage=True), _version("v2", storage=False)],
        }
    }
    async with hooks(tmp_path, answer) as found:
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        code, made = await found.create("widgets.example.com", path=definitions, **definition)
        assert code == 201, made
        await found.world.ok("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s")
        await found.mutating(hook(found.server, "paint", rule("CREATE", "UPDATE", **widgets)))
        await found.validating(hook(found.server, "check", rule("CREATE", "UPDATE", **widgets)))
        path = "/apis/example.com/v2/namespaces/default/widgets"
        code, made = await found.create(path=path, spec={})
        assert code == 201, made
        assert (made["apiVersion"], made["spec"]) == ("example.com/v2", {"size": 1, "color": "red"})
        painted, checked = found.requests("paint")[0], found.requests("check")[0]
        for asked in (painted, checked):
            assert asked["kind"] == {"group": "example.com", "version": "v1", "kind": "Widget"}
            assert asked["requestKind"]["version"] == "v2"
            assert asked["object"]["apiVersion"] == "example.com/v1"
        assert checked["object"]["spec"] == {"size": 1, "color": "red"}
        await found.mutating(hook(found.server, "grow", rule("UPDATE", **widgets)), name="z")
        patch = [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]
        headers = {"Content-Type": "application/json-patch+json"}
        async with found.http.patch(f"{path}/a", json=patch, headers=headers) as response:
            assert response.status == 422
            assert "spec.size: Invalid value: 10" in (await response.json())["message"]


async def test_no_webhook_keeps_the_master_from_its_start(tmp_path: Path) -> None:
    everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
    async with hooks(tmp_path, by_path) as found:
        await found.world.ok("delete", "clusterrole", "view")
        await found.mutating(hook(found.server, "gone", everything))
    # Its server is gone, and the master has a new address to write down.
    settings = ApiSettings(address="127.0.0.1", port=0, advertise_address="192.0.2.7", advertise_port=6443)
    async with api_world(tmp_path, settings=settings) as world, world.http(world.admin()) as http:
        async with http.get("/api/v1/namespaces/default/endpoints/kubernetes") as response:
            assert (await response.json())["subsets"][0]["addresses"] == [{"ip": "192.0.2.7"}]
        async with http.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/view") as response:
            assert response.status == 200
        async with http.post(CONFIG_MAPS, json={"metadata": {"name": "a"}}) as response:
            assert response.status == 500, "whoever writes afterwards meets it"
            assert "connection refused" in await response.text()
        async with http.delete(f"{GROUP}/mutatingwebhookconfigurations/test") as response:
            assert response.status == 200


async def test_what_a_webhook_says_stands_in_a_v1beta1_review_too(tmp_path: Path) -> None:
    def answer(review: Json, path: str) -> Json:
        assert review["apiVersion"] == "admission.k8s.io/v1beta1"
        patch = base64.b64encode(json.dumps([{"op": "add", "path": "/data", "value": {"k": "v"}}]).encode()).decode()
        return {"response": {"allowed": True, "patch": patch}}

    async with hooks(tmp_path, answer) as found:
        await found.mutating(hook(found.server, "old", admissionReviewVersions=["v1beta1", "v1"]))
        _, made = await found.create()
        assert made["data"] == {"k": "v"}
