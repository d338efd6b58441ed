"""Server-side apply over HTTP: the scenarios of Kubernetes' own test/integration/apiserver/apply against a real server."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
WEB = f"{DEPLOYMENTS}/web"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator["Client"]:
    async with world.http(world.admin(), headers={"User-Agent": "tester/1.0 (linux)"}) as session:
        yield Client(session)


class Client:
    """One user's requests."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def send(
        self, method: str, path: str, body: Any = None, *, media_type: str = "application/json", **query: str
    ) -> tuple[int, Json]:
        data = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
        headers = {"Content-Type": media_type}
        async with self.session.request(method, path, data=data, headers=headers, params=query) as response:
            content: Json = await response.json()
            return response.status, content

    async def apply(self, path: str, body: Any, manager: str = "a", **query: str) -> tuple[int, Json]:
        return await self.send("PATCH", path, body, media_type=APPLY, fieldManager=manager, **query)

    async def applied(self, path: str, body: Any, manager: str = "a", **query: str) -> Json:
        code, got = await self.apply(path, body, manager, **query)
        assert code in (200, 201), got
        return got

    async def patched(self, path: str, body: Any, **query: str) -> Json:
        code, got = await self.send("PATCH", path, body, media_type=MERGE, **query)
        assert code == 200, got
        return got

    async def get(self, path: str) -> Json:
        code, got = await self.send("GET", path)
        assert code == 200, got
        return got


def config_map(name: str = "m", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(*, replicas: int | None = 1, image: str = "i:1", **metadata: Any) -> Json:
    spec: Json = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": image, "ports": [{"containerPort": 80}]}]},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", **metadata}, "spec": spec}


def managers(obj: Json) -> dict[tuple[str, str, str], Json]:
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry
        for entry in obj["metadata"].get("managedFields", ())
    }


async def test_apply_creates_and_then_changes(http: Client) -> None:
    code, got = await http.apply(f"{MAPS}/m", config_map(a="1"))
    assert code == 201
    entry = managers(got)["a", "Apply", ""]
    assert entry["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert (entry["apiVersion"], entry["fieldsType"]) == ("v1", "FieldsV1")
    code, again = await http.apply(f"{MAPS}/m", config_map(b="2"))
    assert (code, again["data"]) == (200, {"b": "2"})


async def test_applying_the_same_is_no_write(http: Client) -> None:
    first = await http.applied(WEB, deployment())
    assert await http.applied(WEB, deployment()) == first


async def test_yaml_is_applied(http: Client) -> None:
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata: {a: '1'}\n"
    assert (await http.applied(f"{MAPS}/m", body))["data"] == {"a": "1"}


async def test_a_dry_run_stores_nothing(http: Client) -> None:
    code, got = await http.apply(f"{MAPS}/m", config_map(a="1"), dryRun="All")
    assert (code, got["data"]) == (201, {"a": "1"})
    assert (await http.send("GET", f"{MAPS}/m"))[0] == 404


@pytest.mark.parametrize(
    ("method", "media_type", "query", "code", "message"),
    [
        ("PATCH", APPLY, {}, 422, 'Patch "" is invalid: fieldManager: Required value: is required for apply patch'),
        ("PATCH", MERGE, {"force": "true"}, 422,
         'Patch "" is invalid: force: Forbidden: may not be specified for non-apply patch'),
        ("PUT", "application/json", {"fieldManager": "a" * 129}, 422,
         'Update "" is invalid: fieldManager: Too long: may not be more than 128 bytes'),
        ("PUT", "application/json", {"fieldManager": "a\a"}, 422,
         'Update "" is invalid: fieldManager: Invalid value: "a\\u0007": invalid character U+0007 (at position 1)'),
        ("PATCH", "application/apply-patch+cbor", {"fieldManager": "a"}, 415, None),
    ],
)  # fmt: skip
async def test_options_that_make_no_sense_are_refused(
    http: Client, method: str, media_type: str, query: dict[str, str], code: int, message: str | None
) -> None:
    await http.applied(f"{MAPS}/m", config_map(a="1"))
    got, status = await http.send(method, f"{MAPS}/m", config_map(a="2"), media_type=media_type, **query)
    assert got == code
    assert message in (None, status["message"].replace("Options.meta.k8s.io", ""))
    assert (await http.get(f"{MAPS}/m"))["data"] == {"a": "1"}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({**config_map(a="1"), "apiVersion": "v2"}, 400, "invalid object type: v2, Kind=ConfigMap"),
        ({"kind": "ConfigMap", "metadata": {"name": "m"}}, 400, "invalid object type: /, Kind=ConfigMap"),
        ({**config_map(), "dataa": {}}, 400,
         "failed to create typed patch object (/m; v1, Kind=ConfigMap): .dataa: field not declared in schema"),
        ({**config_map(), "metadata": {"name": "other"}}, 400,
         "the name of the object (other) does not match the name on the URL (m)"),
        ({**config_map(), "metadata": {"name": "m", "managedFields": []}}, 400, "metadata.managedFields must be nil"),
        ({**config_map(), "metadata": {"name": "m", "uid": "x"}}, 409,
         'Operation cannot be fulfilled on configmaps "m": uid mismatch: the provided object specified uid x, '
         "and no existing object was found"),
        ("- a", 400, None),
        ("a: &x 1\nb: *x", 400, None),
        ("{" * 300, 400, None),
    ],
)  # fmt: skip
async def test_configs_that_make_no_sense_are_refused(http: Client, body: Any, code: int, message: str | None) -> None:
    got, status = await http.apply(f"{MAPS}/m", body)
    assert got == code, status
    assert message in (None, status["message"])
    assert (await http.send("GET", f"{MAPS}/m"))[0] == 404


async def test_a_repeated_key_is_refused_or_warned_of(http: Client) -> None:
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  a: '1'\n  a: '2'\n"
    code, status = await http.apply(f"{MAPS}/m", body, fieldValidation="Strict")
    assert code == 400
    why = 'error strict decoding patch: yaml: unmarshal errors:\n  line 6: key "a" already set in map'
    assert status["message"] == why
    assert (await http.applied(f"{MAPS}/m", body, fieldValidation="Ignore"))["data"] == {"a": "2"}


async def test_a_conflict_says_whose_and_which(http: Client) -> None:
    await http.applied(WEB, deployment())
    await http.patched(WEB, {"spec": {"replicas": 3}}, fieldManager="scaler")
    code, status = await http.apply(WEB, deployment(image="i:2"), "b")
    assert (code, status["reason"]) == (409, "Conflict")
    image = '.spec.template.spec.containers[name="c"].image'
    assert status["message"] == (
        f'Apply failed with 2 conflicts: conflicts with "a":\n- {image}\n'
        'conflicts with "scaler" using apps/v1:\n- .spec.replicas'
    )
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": image},
        {"reason": "FieldManagerConflict", "message": 'conflict with "scaler" using apps/v1', "field": ".spec.replicas"},
    ]
    forced = await http.applied(WEB, deployment(image="i:2"), "b", force="true")
    assert forced["spec"]["replicas"] == 1
    assert ("scaler", "Update", "") not in managers(forced)


async def test_a_field_goes_with_its_last_owner(http: Client) -> None:
    """Ownership moves from one manager to another without the field ever being gone."""
    await http.applied(f"{MAPS}/m", config_map(a="1", b="1"))
    await http.applied(f"{MAPS}/m", config_map(a="1"), "b")
    assert (await http.applied(f"{MAPS}/m", config_map(b="1")))["data"] == {"a": "1", "b": "1"}
    assert (await http.applied(f"{MAPS}/m", config_map(), "b"))["data"] == {"b": "1"}


async def test_defaults_return_when_their_field_is_not_applied_any_more(http: Client) -> None:
    await http.applied(WEB, deployment(replicas=5))
    assert (await http.applied(WEB, deployment(replicas=None)))["spec"]["replicas"] == 1


async def test_the_resource_version_of_a_config_is_a_precondition(http: Client) -> None:
    first = await http.applied(f"{MAPS}/m", config_map(a="1"))
    version = first["metadata"]["resourceVersion"]
    second = config_map(a="2")
    second["metadata"]["resourceVersion"] = version
    await http.applied(f"{MAPS}/m", second)
    code, status = await http.apply(f"{MAPS}/m", {**second, "data": {"a": "3"}})
    assert (code, status["reason"]) == (409, "Conflict")


async def test_writers_are_named_by_their_user_agent(http: Client) -> None:
    code, created = await http.send("POST", MAPS, config_map(a="1"))
    assert code == 201
    assert managers(created)["tester", "Update", ""]["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}
    updated = await http.patched(f"{MAPS}/m", {"data": {"b": "2"}}, fieldManager="named")
    assert managers(updated)["named", "Update", ""]["fieldsV1"] == {"f:data": {"f:b": {}}}


async def test_an_update_without_change_is_no_write(http: Client) -> None:
    created = await http.applied(f"{MAPS}/m", config_map(a="1"))
    assert await http.patched(f"{MAPS}/m", {"data": {"a": "1"}}, fieldManager="b") == created


async def test_who_knows_nothing_of_owners_deletes_none(http: Client) -> None:
    created = await http.applied(f"{MAPS}/m", config_map(a="1"))
    body = {**created, "metadata": {name: created["metadata"][name] for name in ("name", "resourceVersion")}}
    code, got = await http.send("PUT", f"{MAPS}/m", body)
    assert (code, managers(got)) == (200, managers(created))


async def test_owners_are_reset_by_an_empty_entry(http: Client) -> None:
    await http.applied(f"{MAPS}/m", config_map(a="1"))
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    code, got = await http.send("PATCH", f"{MAPS}/m", patch, media_type="application/json-patch+json")
    assert (code, managers(got)) == (200, {})
    conflict, _ = await http.apply(f"{MAPS}/m", config_map(a="2"))
    assert conflict == 409
    assert ("before-first-apply", "Update", "") in managers(await http.applied(f"{MAPS}/m", config_map(b="1")))


async def test_unreadable_owners_do_no_harm(http: Client) -> None:
    created = await http.applied(f"{MAPS}/m", config_map(a="1"))
    for entry in (
        {"operation": "Bogus"},
        {"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"x": 1}},
    ):
        got = await http.patched(f"{MAPS}/m", {"metadata": {"managedFields": [{"manager": "x", **entry}]}})
        assert managers(got) == managers(created)


async def test_more_than_ten_updaters_become_ancient_changes(http: Client) -> None:
    await http.send("POST", MAPS, config_map(a="1"), fieldManager="creator")
    for number in range(12):
        await http.patched(f"{MAPS}/m", {"data": {f"k{number}": ""}}, fieldManager=f"m{number:02}")
    found = managers(await http.get(f"{MAPS}/m"))
    assert len(found) == 10
    assert ("ancient-changes", "Update", "") in found


async def test_status_is_owned_by_who_writes_the_status(http: Client) -> None:
    await http.applied(WEB, {**deployment(), "status": {"replicas": 9}})
    status = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "status": {"replicas": 3}}
    got = await http.applied(f"{WEB}/status", {**status, "spec": {"replicas": 9}}, "s")
    assert (got["status"]["replicas"], got["spec"]["replicas"]) == (3, 1)
    assert managers(got)["s", "Apply", "status"]["fieldsV1"] == {"f:status": {"f:replicas": {}}}
    assert "f:status" not in managers(got)["a", "Apply", ""]["fieldsV1"]
    assert (await http.apply(f"{DEPLOYMENTS}/none/status", {**status, "metadata": {"name": "none"}}))[0] == 404


async def test_scale_takes_and_gives_the_replicas(http: Client) -> None:
    """As Kubernetes' scale_test.go: through the scale, the replicas of the object change hands."""
    await http.applied(WEB, deployment(replicas=1))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}}
    code, status = await http.apply(f"{WEB}/scale", scale, "s")
    assert (code, status["message"]) == (409, 'Apply failed with 1 conflict: conflict with "a": .spec.replicas')
    await http.applied(f"{WEB}/scale", scale, "s", force="true")
    found = managers(await http.get(WEB))
    assert found["s", "Apply", "scale"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert found["s", "Apply", "scale"]["apiVersion"] == "apps/v1"
    assert "f:replicas" not in found["a", "Apply", ""]["fieldsV1"]["f:spec"]

    await http.patched(f"{WEB}/scale", {"spec": {"replicas": 2}}, fieldManager="u")
    found = managers(await http.get(WEB))
    assert found["u", "Update", "scale"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert ("s", "Apply", "scale") not in found
    code, status = await http.apply(WEB, deployment(replicas=1))
    assert (code, status["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "u" with subresource "scale" using apps/v1: .spec.replicas',
    )
    # What it does not apply any more stays as the other left it.
    assert (await http.applied(WEB, deployment(replicas=None)))["spec"]["replicas"] == 2


async def test_lists_merge_by_their_keys(http: Client) -> None:
    await http.applied(WEB, deployment())
    other = deployment(replicas=None)
    other["spec"]["template"]["spec"]["containers"] = [{"name": "c", "ports": [{"containerPort": 80, "name": "http"}]}]
    got = await http.applied(WEB, other, "b")
    (container,) = got["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["ports"]) == ("i:1", [{"containerPort": 80, "name": "http", "protocol": "TCP"}])


async def test_who_may_patch_but_not_create_creates_nothing(world: ApiWorld, http: Client) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "patcher"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "patcher"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "patcher"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
    }
    for body in (role, binding):
        path = f"/apis/rbac.authorization.k8s.io/v1/{body['kind'].lower()}s/patcher"  # type: ignore[attr-defined]
        await http.applied(path, body)
    await http.applied(f"{MAPS}/there", config_map("there", a="1"))
    async with world.http(world.user("jane")) as session:
        jane = Client(session)
        assert (await jane.apply(f"{MAPS}/m", config_map(a="1")))[0] == 403
        assert (await jane.apply(f"{MAPS}/there", config_map("there", b="1")))[0] == 200


async def test_events_are_owned_in_either_of_their_versions(http: Client) -> None:
    """What was applied as events.k8s.io is compared as such when somebody writes it as core."""
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "action": "Act",
        "reason": "Because",
        "type": "Normal",
        "note": "first",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reportingController": "example.com/c",
        "reportingInstance": "i",
    }
    await http.applied("/apis/events.k8s.io/v1/namespaces/default/events/e", event)
    changed = await http.patched("/api/v1/namespaces/default/events/e", {"message": "second"}, fieldManager="u")
    found = managers(changed)
    assert found["u", "Update", ""]["fieldsV1"] == {"f:message": {}}
    assert "f:note" not in found["a", "Apply", ""]["fieldsV1"]
    assert found["a", "Apply", ""]["apiVersion"] == "events.k8s.io/v1"


async def test_autoscalers_are_owned_in_both_of_their_versions(http: Client) -> None:
    """A target in v1 is the same field as a metric in v2, under another name."""
    base = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers/h"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    old = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}}
    old["spec"] = {"scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50}
    await http.applied(base.format("v1"), old)
    new = {**old, "apiVersion": "autoscaling/v2", "spec": {"scaleTargetRef": target, "maxReplicas": 5}}
    code, status = await http.apply(base.format("v2"), new, "b")
    assert (code, status["message"]) == (409, 'Apply failed with 1 conflict: conflict with "a": .spec.maxReplicas')
    # The applier goes on in the other version: what it had applied before is still its own.
    changed = await http.applied(base.format("v2"), {**new, "spec": {"scaleTargetRef": target, "maxReplicas": 4}})
    assert changed["spec"]["maxReplicas"] == 4
    (entry,) = changed["metadata"]["managedFields"]
    assert entry["apiVersion"] == "autoscaling/v2"
