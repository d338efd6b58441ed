"""The audit log of a real server: what kubectl and plain requests leave in it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from master.api.audit.log import AuditLog, Rotation
from master.api.audit.policy import parse
from master.api.http.auditing import Auditor
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"


class Log:
    def __init__(self, path: Path) -> None:
        self._path = path

    async def find(self, wanted: Callable[[Json], object]) -> Json:
        """The first event that fits, once it is written."""
        async with asyncio.timeout(5):
            while True:
                events = [event for event in self.all() if wanted(event)]
                if events:
                    return events[0]
                await asyncio.sleep(0.02)

    def all(self) -> list[Json]:
        return [orjson.loads(line) for line in self.text().splitlines()]

    def text(self) -> str:
        return self._path.read_text() if self._path.exists() else ""


@asynccontextmanager
async def audited(folder: Path, *rules: Json, **more: Any) -> AsyncIterator[tuple[ApiWorld, Log]]:
    policy = parse({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more})
    path = folder / "audit.log"
    log = AuditLog(path, Rotation(1 << 24, 0, 0), CollectorRegistry())
    async with api_world(folder, auditor=Auditor(policy, log, body_bytes=100_000)) as world:
        yield world, Log(path)


async def test_a_request_leaves_its_stages_with_user_object_decision_and_bodies(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "RequestResponse"}) as (world, log):
        service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
        async with world.http(world.admin(), {"User-Agent": "test/1"}) as http:
            async with http.post(SERVICES, json=service) as response:
                assert response.status == 201
                audit_id = response.headers["Audit-Id"]
            async with http.get(f"{SERVICES}/missing", headers={"Audit-ID": "my-own-id"}) as response:
                assert response.headers["Audit-Id"] == "my-own-id"
            async with http.get(f"{SERVICES}/missing", headers={"Audit-ID": "x" * 65}) as response:
                assert response.headers["Audit-Id"] != "x" * 65
        done = await log.find(lambda event: event["auditID"] == audit_id and event["stage"] == "ResponseComplete")
        received = await log.find(lambda event: event["auditID"] == audit_id and event["stage"] == "RequestReceived")
        assert "responseStatus" not in received
        assert (done["verb"], done["requestURI"], done["userAgent"], done["sourceIPs"]) == (
            "create",
            SERVICES,
            "test/1",
            ["127.0.0.1"],
        )
        assert done["user"]["username"] == "admin"
        assert "system:masters" in done["user"]["groups"]
        assert done["objectRef"] == {"resource": "services", "namespace": "default", "name": "web", "apiVersion": "v1"}
        assert done["requestObject"]["spec"] == {"ports": [{"port": 80}]}
        assert done["responseObject"]["spec"]["clusterIP"]
        assert done["annotations"]["authorization.k8s.io/decision"] == "allow"
        failed = await log.find(lambda event: event["auditID"] == "my-own-id" and event["stage"] == "ResponseComplete")
        assert failed["responseStatus"]["reason"] == "NotFound"
        assert failed["responseStatus"]["code"] == 404


async def test_secrets_and_tokens_never_reach_the_log(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "RequestResponse"}) as (world, log):
        await world.ok("create", "secret", "generic", "s", "--from-literal=password=hunter2hunter2")
        await world.ok("create", "configmap", "c", "--from-literal=key=hunter2hunter2")
        await world.ok("get", "secrets,configmaps", "-o", "yaml")
        await world.ok("patch", "secret", "s", "-p", '{"stringData":{"password":"hunter2hunter2"}}')
        await world.ok("delete", "secret", "s")
        async with world.http(None, {"Authorization": "Bearer hunter2hunter2"}) as http, http.get(PODS) as response:
            assert response.status == 401
        denied = await log.find(lambda event: event.get("responseStatus", {}).get("code") == 401)
        assert denied["responseStatus"]["message"] == "Authentication failed, attempted: bearer"
        assert denied["user"] == {"username": ""}
        text = log.text()
        assert '"resource":"secrets"' in text
        assert "hunter2" not in text
        assert "aHVudGVyMm" not in text, "nor in base64"


async def test_who_is_forbidden_stands_in_the_log_and_watches_have_their_own_stage(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "Metadata"}, omitStages=["RequestReceived"]) as (world, log):
        async with world.http(world.user("jane")) as http, http.get(PODS) as response:
            assert response.status == 403
        forbidden = await log.find(lambda event: event["user"]["username"] == "jane")
        assert forbidden["annotations"]["authorization.k8s.io/decision"] == "forbid"
        async with world.http(world.admin()) as http:
            watch = await http.get(f"{PODS}?watch=true&timeoutSeconds=1")
            started = await log.find(lambda event: event["stage"] == "ResponseStarted")
            assert (started["verb"], started["responseStatus"]["code"]) == ("watch", 200)
            await watch.read()
        await log.find(lambda event: event["verb"] == "watch" and event["stage"] == "ResponseComplete")
        assert not [event for event in log.all() if event["stage"] == "RequestReceived"]


async def test_who_acts_as_another_stands_in_the_log_with_both_names(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "Metadata"}) as (world, log):
        await world.kubectl("get", "pods", "--as=joe", "--as-group=team")
        event = await log.find(lambda event: event["stage"] == "ResponseComplete" and event.get("objectRef"))
        assert event["user"]["username"] == "admin"
        assert event["impersonatedUser"]["username"] == "joe"
        assert "team" in event["impersonatedUser"]["groups"]
        assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"


async def test_what_the_policy_does_not_name_is_not_written(tmp_path: Path) -> None:
    rule = {"level": "Metadata", "resources": [{"resources": ["services"]}], "verbs": ["get"]}
    async with audited(tmp_path, rule) as (world, log):
        async with world.http(world.admin()) as http:
            for path in ("/healthz", PODS, f"{SERVICES}/kubernetes"):
                async with http.get(path) as response:
                    assert response.status == 200
                    assert response.headers["Audit-Id"]
        await log.find(lambda event: event["objectRef"]["name"] == "kubernetes" and event["stage"] == "ResponseComplete")
        assert len(log.all()) == 2
