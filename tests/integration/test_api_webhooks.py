"""Admission webhooks against a real HTTPS server: what they are told, and what comes of their answers."""

import base64
import json
from pathlib import Path

import aiohttp

from master.api.settings import ApiSettings
from tests.integration.admission_hooks import CONFIG_MAPS, GROUP, by_path, hook, hooks, rule
from tests.integration.api_world import api_world
from tests.integration.webhook_server import Json, allowed, patched, slowly


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
