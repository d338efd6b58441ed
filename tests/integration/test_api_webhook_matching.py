"""Admission webhooks against a real HTTPS server: which operations on which objects they are asked about."""

from pathlib import Path

from aiohttp import web

from master.api.kinds.registry import KINDS
from tests.integration.admission_hooks import CONFIG_MAPS, Hooks, by_path, hook, hooks, rule
from tests.integration.api_fuzz import collection, name_of
from tests.integration.api_objects import example
from tests.integration.api_world import api_world
from tests.integration.webhook_server import Json, allowed, denied, patched, webhook_server


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
