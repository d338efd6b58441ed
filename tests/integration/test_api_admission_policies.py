"""ValidatingAdmissionPolicies on a real server: what they refuse, warn of and write down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from master.api.audit.current import CURRENT
from master.client.protocol import ResourceRef
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
GROUP = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
KIND = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE", "UPDATE", "DELETE"]}


class Policies:
    def __init__(self, world: ApiWorld, http: aiohttp.ClientSession) -> None:
        self.world = world
        self.http = http

    async def post(self, path: str, body: Json) -> tuple[int, Json, list[str]]:
        async with self.http.post(path, json=body) as response:
            return response.status, await response.json(), response.headers.getall("Warning", [])

    async def policy(self, *validations: str | Json, name: str = "test", **spec: Any) -> tuple[int, Json]:
        rules = spec.pop("rules", [KIND])
        found = [{"expression": one} if isinstance(one, str) else one for one in validations]
        body = {
            "metadata": {"name": name},
            "spec": {"matchConstraints": {"resourceRules": rules}, "validations": found, **spec},
        }
        code, answer, _ = await self.post(f"{GROUP}/validatingadmissionpolicies", body)
        return code, answer

    async def bind(self, name: str = "bind", policy: str = "test", actions: tuple[str, ...] = ("Deny",), **spec: Any) -> None:
        body = {"metadata": {"name": name}, "spec": {"policyName": policy, "validationActions": list(actions), **spec}}
        code, answer, _ = await self.post(f"{GROUP}/validatingadmissionpolicybindings", body)
        assert code == 201, answer

    async def create(self, name: str = "a", path: str = CONFIG_MAPS, **body: Any) -> tuple[int, Json]:
        code, answer, _ = await self.post(path, {"metadata": {"name": name, **body.pop("metadata", {})}, **body})
        return code, answer


@asynccontextmanager
async def policies(folder: Path) -> AsyncIterator[Policies]:
    async with api_world(folder) as world, world.http(world.admin()) as http:
        yield Policies(world, http)


async def test_a_policy_counts_once_it_is_bound_and_denies_in_kubernetes_words(tmp_path: Path) -> None:
    async with policies(tmp_path) as found:
        code, answer = await found.policy("object == null || has(object.data)")
        assert code == 201, answer
        code, _ = await found.create("before")
        assert code == 201, "a policy without a binding does nothing"
        await found.bind()
        code, status = await found.create()
        text = (
            "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'test' with binding 'bind' denied request: "
            "failed expression: object == null || has(object.data)"
        )
        assert (code, status["reason"], status["message"]) == (422, "Invalid", text)
        code, _ = await found.create(data={"k": "v"})
        assert code == 201
        result = await found.world.kubectl("create", "configmap", "b", version="1.33")
        assert "ValidatingAdmissionPolicy 'test' with binding 'bind' denied request" in result.err
        assert (await found.world.kubectl("delete", "configmap", "a")).code == 0


async def test_variables_messages_reasons_and_namespace(tmp_path: Path) -> None:
    async with policies(tmp_path) as found:
        code, answer = await found.policy(
            {
                "expression": "variables.size <= variables.limit",
                "messageExpression": "'has ' + string(variables.size) + ' keys in ' + namespaceObject.metadata.name",
                "reason": "Forbidden",
            },
            {"expression": "!has(object.immutable)", "message": "keep it mutable"},
            variables=[
                {"name": "limit", "expression": "has(namespaceObject.metadata.labels.limit) ? "
                                                 "int(namespaceObject.metadata.labels.limit) : 2"},
                {"name": "size", "expression": "has(object.data) ? size(object.data) : 0"},
                {"name": "unused", "expression": "1 / 0 == 1"},
            ],
        )  # fmt: skip
        assert code == 201, answer
        await found.bind()
        code, status = await found.create(data={"a": "1", "b": "2", "c": "3"})
        assert (code, status["reason"]) == (403, "Forbidden")
        assert status["message"].endswith("denied request: has 3 keys in default")
        code, status = await found.create(immutable=True)
        assert status["message"].endswith("denied request: keep it mutable")
        await found.create("wide", path="/api/v1/namespaces", metadata={"labels": {"limit": "5"}})
        code, status = await found.create(path="/api/v1/namespaces/wide/configmaps", data={"a": "1", "b": "2", "c": "3"})
        assert code == 201, status


async def test_parameters_by_name_selector_and_what_happens_without(tmp_path: Path) -> None:
    async with policies(tmp_path) as found:
        widgets = {**KIND, "resources": ["secrets"]}
        param_kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        code, answer = await found.policy(
            "!has(object.data) || size(object.data) <= int(params.data.most)", paramKind=param_kind, rules=[widgets]
        )
        assert code == 201, answer
        await found.bind(paramRef={"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"})
        secrets = "/api/v1/namespaces/default/secrets"
        two = {"a": "MQ==", "b": "Mg=="}
        code, status = await found.create(path=secrets, data=two)
        assert code == 422
        assert status["message"].endswith(
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
        )
        await found.create("limits", data={"most": "1"}, metadata={"labels": {"team": "x"}})
        code, status = await found.create(path=secrets, data=two)
        assert (code, "failed expression" in status["message"]) == (422, True)
        code, _ = await found.create(path=secrets, data={"a": "MQ=="})
        assert code == 201
        async with found.http.delete(f"{GROUP}/validatingadmissionpolicybindings/bind") as response:
            assert response.status == 200
        reference = {"selector": {"matchLabels": {"team": "x"}}, "parameterNotFoundAction": "Allow"}
        await found.bind(paramRef=reference)
        code, _ = await found.create("b", path=secrets, data=two)
        assert code == 422
        await found.create("other", path="/api/v1/namespaces")
        code, _ = await found.create("b", path="/api/v1/namespaces/other/secrets", data=two)
        assert code == 201, "parameters are those of the object's own namespace, and none is allowed"


async def test_actions_warn_and_audit_let_the_write_pass(tmp_path: Path) -> None:
    async with policies(tmp_path) as found:
        await found.policy({"expression": "has(object.data)", "message": "no data"})
        await found.bind(actions=("Warn", "Audit"))
        code, _, warnings = await found.post(CONFIG_MAPS, {"metadata": {"name": "a"}})
        assert code == 201
        assert warnings == ["299 - \"Validation failed for ValidatingAdmissionPolicy 'test' with binding 'bind': no data\""]


async def test_audit_annotations_reach_the_event(tmp_path: Path) -> None:
    noted: dict[str, str] = {}

    class Event:
        def annotate(self, key: str, value: str) -> None:
            noted[key] = value

    async with policies(tmp_path) as found:
        annotations = [
            {"key": "who", "valueExpression": "'by ' + request.userInfo.username"},
            {"key": "none", "valueExpression": "null"},
        ]
        await found.policy({"expression": "has(object.data)"}, auditAnnotations=annotations)
        await found.bind(actions=("Audit",))
        token = CURRENT.set(Event())  # type: ignore[arg-type]
        try:
            body = {"metadata": {"name": "a"}}
            await found.world.registry.create(ResourceRef("", "v1", "configmaps"), "default", body)
        finally:
            CURRENT.reset(token)
    assert noted["test/who"] == "by system:wherry-master"
    assert "test/none" not in noted
    assert '"expressionIndex":0' in noted["validation.policy.admission.k8s.io/validation_failure"]


async def test_errors_are_judged_by_the_failure_policy(tmp_path: Path) -> None:
    async with policies(tmp_path) as found:
        await found.policy("object.data.missing == 'x'", failurePolicy="Ignore", name="open")
        await found.bind("open", policy="open")
        code, _ = await found.create()
        assert code == 201
        await found.policy("object.data.missing == 'x'", name="closed")
        await found.bind("closed", policy="closed")
        code, status = await found.create("b")
        assert code == 422
        assert "expression 'object.data.missing == 'x'' resulted in error: no such key: " in status["message"]


async def test_conditions_exclusions_and_bindings_narrow_a_policy(tmp_path: Path) -> None:
    async with policies(tmp_path) as found:
        code, answer = await found.policy(
            "false",
            matchConditions=[{"name": "named", "expression": "request.name.startsWith('x')"}],
            matchConstraints={
                "resourceRules": [KIND],
                "excludeResourceRules": [{**KIND, "resourceNames": ["x-free"]}],
            },
        )
        assert code == 201, answer
        await found.bind(matchResources={"objectSelector": {"matchLabels": {"strict": "yes"}}})
        strict = {"labels": {"strict": "yes"}}
        for name, metadata, expected in (("a", strict, 201), ("x-1", {}, 201), ("x-free", strict, 201), ("x-2", strict, 422)):
            code, _ = await found.create(name, metadata=metadata)
            assert code == expected, name


async def test_the_authorizer_knows_what_the_user_may(tmp_path: Path) -> None:
    async with policies(tmp_path) as found:
        checks = (
            "authorizer.group('').resource('secrets').namespace(request.namespace).check('delete').allowed()",
            "authorizer.requestResource.check('custom').allowed()",
            "!authorizer.serviceAccount('default', 'nobody').group('').resource('secrets').check('get').allowed()",
            "authorizer.path('/healthz').check('get').allowed()",
        )
        code, answer = await found.policy(*checks)
        assert code == 201, answer
        await found.bind()
        code, status = await found.create()
        assert code == 201, status
        await found.policy("authorizer.serviceAccount('default', 'nobody').requestResource == null", name="wrong")


async def test_expressions_that_do_not_compile_are_refused_when_they_are_written(tmp_path: Path) -> None:
    async with policies(tmp_path) as found:
        code, status = await found.policy(
            "object.a +", "1 + 1", "params.x == 1", {"expression": "true", "messageExpression": "1"}
        )
        assert code == 422
        fields = [cause["field"] for cause in status["details"]["causes"]]
        assert fields == [
            "spec.validations[0].expression",
            "spec.validations[1].expression",
            "spec.validations[2].expression",
            "spec.validations[3].messageExpression",
        ]
        assert "compilation failed: ERROR: <input>:1:" in status["message"]
        assert "must evaluate to bool" in status["message"]
        assert "undeclared reference to 'params'" in status["message"]
        body = {
            "metadata": {"name": "x"},
            "webhooks": [
                {
                    "name": "a.example.com",
                    "clientConfig": {"url": "https://example.com"},
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "matchConditions": [{"name": "a", "expression": "nothing.is"}],
                }
            ],
        }
        code, status, _ = await found.post(f"{GROUP}/validatingwebhookconfigurations", body)
        assert code == 422
        assert status["details"]["causes"][0]["field"] == "webhooks[0].matchConditions[0].expression"


async def test_a_policy_cannot_lock_out_its_own_removal(tmp_path: Path) -> None:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
    async with policies(tmp_path) as found:
        await found.policy("false", rules=[everything])
        await found.bind()
        code, _ = await found.create()
        assert code == 422
        async with found.http.delete(f"{GROUP}/validatingadmissionpolicies/test") as response:
            assert response.status == 200
        code, _ = await found.create()
        assert code == 201


async def status_of(found: Policies, name: str, generation: int) -> Json:
    """A policy's status once it is that of a generation."""
    async with asyncio.timeout(10):
        while True:
            async with found.http.get(f"{GROUP}/validatingadmissionpolicies/{name}") as response:
                status: Json = (await response.json()).get("status") or {}
            if status.get("observedGeneration") == generation:
                return status
            await asyncio.sleep(0.02)


async def test_type_checking_tells_what_objects_do_not_have(tmp_path: Path) -> None:
    deployments = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "resources": ["deployments", "replicasets"],
        "operations": ["*"],
    }
    async with policies(tmp_path) as found:
        code, answer = await found.policy(
            "object.spec.replicas <= 5 && object.metadata.labels.app != ''",
            {"expression": "object.replicas > 1", "messageExpression": "'has ' + object.spec.name"},
            rules=[deployments],
            variables=[{"name": "spec", "expression": "object.spec"}],
        )
        assert code == 201, answer
        status = await status_of(found, "test", 1)
        warnings = {one["fieldRef"]: one["warning"] for one in status["typeChecking"]["expressionWarnings"]}
        assert set(warnings) == {"spec.validations[1].expression", "spec.validations[1].messageExpression"}
        lines = warnings["spec.validations[1].expression"].splitlines()
        assert lines[:3] == [
            "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'",
            " | object.replicas > 1",
            " | ......^",
        ]
        assert lines[3].startswith("apps/v1, Kind=ReplicaSet: ERROR: ")
        patch = [{"op": "replace", "path": "/spec/validations", "value": [{"expression": "variables.spec.replicas < 3"}]}]
        async with found.http.patch(
            f"{GROUP}/validatingadmissionpolicies/test", json=patch, headers={"Content-Type": "application/json-patch+json"}
        ) as response:
            assert response.status == 200, await response.text()
        assert (await status_of(found, "test", 2))["typeChecking"] == {}
