"""The API over real TLS, by plain HTTP: who may, restarts, what keeps it from listening."""

import base64
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from master.api.auth.protocol import UserInfo
from master.api.http.server import CannotListen
from master.api.settings import ApiSettings
from tests.integration.api_http import PODS, SERVICES, get, post
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]


class NodeJoiner:
    """Answers what it was asked, so that the route is seen."""

    def ca_pem(self) -> bytes:
        return b"-----BEGIN CERTIFICATE-----\n"

    async def join(self, user: UserInfo, request: Json) -> Json:
        return {"user": user.name, "node": request["node"]}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    tokens = {"jane-token": UserInfo("jane")}
    async with api_world(tmp_path, joiner=NodeJoiner(), static_tokens=tokens) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator[aiohttp.ClientSession]:
    async with world.http(world.admin()) as session:
        yield session


async def test_without_credentials_only_health_version_and_ca_are_shown(world: ApiWorld) -> None:
    async with world.http(None) as nobody:
        for path in ("/healthz", "/livez", "/readyz", "/version", "/wherry/v1/ca"):
            async with nobody.get(path) as response:
                assert response.status == 200, path
        for path in ("/api", "/api/v1/pods", "/metrics", "/openapi/v2", "/nothing"):
            got = await get(nobody, path, 403)
            assert (got["kind"], got["reason"], got["code"]) == ("Status", "Forbidden", 403)
            assert 'User "system:anonymous" cannot ' in got["message"]


async def test_a_certificate_of_another_ca_is_turned_away(world: ApiWorld, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with api_world(other) as stranger:
        context = world.tls(None)
        context.load_cert_chain(stranger.admin() / "certificate.pem")
        async with aiohttp.ClientSession(world.url, connector=aiohttp.TCPConnector(ssl=context)) as session:
            with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
                await get(session, "/api/v1/pods")


async def test_a_user_without_rights_may_discover_and_ask_only(world: ApiWorld) -> None:
    async with world.http(None, {"Authorization": "Bearer jane-token"}) as jane:
        await get(jane, "/api/v1")
        got = await get(jane, PODS, 403)
        assert got["message"] == (
            'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
        )
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        spec = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
        assert (await post(jane, path, {"spec": spec}))["status"] == {"allowed": False}


async def test_a_bootstrap_token_joins_and_does_nothing_else(world: ApiWorld, http: aiohttp.ClientSession) -> None:
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    body = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token", "data": encoded}
    await post(http, "/api/v1/namespaces/kube-system/secrets", body)
    async with world.http(None, {"Authorization": "Bearer abcdef.0123456789abcdef"}) as node:
        assert await post(node, "/wherry/v1/join", {"node": "n1"}) == {"user": "system:bootstrap:abcdef", "node": "n1"}
        await get(node, PODS, 403)
    async with world.http(None, {"Authorization": "Bearer abcdef.0123456789abcdee"}) as stranger:
        await post(stranger, "/wherry/v1/join", {"node": "n1"}, 401)
    async with http.delete("/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef") as response:
        assert response.status == 200
    async with world.http(None, {"Authorization": "Bearer abcdef.0123456789abcdef"}) as late:
        await post(late, "/wherry/v1/join", {"node": "n1"}, 401)


async def test_what_was_written_and_allocated_survives_a_restart(tmp_path: Path) -> None:
    async with api_world(tmp_path) as first, first.http(first.admin()) as http:
        body = {"metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
        before = await post(http, SERVICES, body)
    async with api_world(tmp_path) as second, second.http(second.admin()) as http:
        assert await get(http, SERVICES + "/a") == before
        clash = {"metadata": {"name": "b"}, "spec": {"clusterIP": before["spec"]["clusterIP"], "ports": [{"port": 80}]}}
        got = await post(http, SERVICES, clash, 422)
        assert "provided IP is already allocated" in got["message"]
        assert (await get(http, SERVICES + "/kubernetes"))["spec"]["clusterIP"] == "10.96.0.1"
        slices = await get(http, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")
        assert slices["endpoints"][0]["addresses"] == ["192.0.2.1"]


async def test_a_port_in_use_is_said_clearly(world: ApiWorld, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ExceptionGroup) as caught:
        async with api_world(other, settings=ApiSettings(address="127.0.0.1", port=world.server.port)):
            pass
    found: BaseException = caught.value
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, CannotListen)
    assert str(found) == f"cannot serve the API on 127.0.0.1:{world.server.port}: the port is in use by another process"
