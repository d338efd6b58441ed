"""Secrets that hold tokens: service accounts' without expiry, and bootstrap tokens; what controllers do with them."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from master.controllers.bootstrap_signer import BootstrapSigner
from master.controllers.bootstrap_token_cleaner import BootstrapTokenCleaner
from master.controllers.service_account_token import ServiceAccountTokenController
from proto.k8s.time import format_time
from tests.cluster.waiting import eventually
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    controllers = (ServiceAccountTokenController, BootstrapTokenCleaner, BootstrapSigner)
    async with api_world(tmp_path, controllers=controllers) as running:
        yield running


def token_secret(name: str, account: str) -> str:
    metadata = {"name": name, "annotations": {"kubernetes.io/service-account.name": account}}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/service-account-token"}
    )


def bootstrap_secret(identity: str, *, ends: datetime | None = None, signs: bool = True) -> str:
    values = {"token-id": identity, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": str(signs).lower()}
    if ends is not None:
        values["expiration"] = format_time(ends)
    metadata = {"name": f"bootstrap-token-{identity}", "namespace": "kube-system"}
    kind = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "bootstrap.kubernetes.io/token"}
    return json.dumps({**kind, "stringData": values})


async def secret(world: ApiWorld, name: str, namespace: str = "default") -> Json | None:
    found = await world.ok("get", "secret", name, "-n", namespace, "-o", "json", "--ignore-not-found")
    return json.loads(found) if found else None


async def whoami(world: ApiWorld, token: str) -> int:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with world.http(None, {"Authorization": f"Bearer {token}"}) as http, http.post(path, json={}) as response:
        return response.status


async def filled(world: ApiWorld, name: str) -> Json:
    async def check() -> Json:
        found = await secret(world, name)
        assert found is not None
        assert {"token", "ca.crt", "namespace"} <= (found.get("data") or {}).keys()
        return found

    return await eventually(check, seconds=5, pause=0.05)


async def test_a_token_secret_is_filled_authenticates_and_ends_with_its_account(world: ApiWorld) -> None:
    await world.ok("create", "serviceaccount", "bob")
    await world.ok("apply", "-f", "-", stdin=token_secret("long", "bob"))
    found = await filled(world, "long")
    data = {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
    assert (data["namespace"], data["ca.crt"]) == ("default", world.authority.certificate_pem.decode())
    uid = await world.ok("get", "serviceaccount", "bob", "-o", "jsonpath={.metadata.uid}")
    assert found["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == uid
    assert await whoami(world, data["token"]) == 201
    used = await world.ok("get", "secret", "long", "-o", "jsonpath={.metadata.labels}")
    assert json.loads(used) == {"kubernetes.io/legacy-token-last-used": datetime.now(UTC).strftime("%Y-%m-%d")}
    assert data["token"] in await world.ok("describe", "secret", "long")

    await world.ok("delete", "serviceaccount", "bob")
    assert await whoami(world, data["token"]) == 401

    async def gone() -> None:
        assert await secret(world, "long") is None

    await eventually(gone, seconds=5, pause=0.05)


async def test_a_token_secret_without_an_account_is_removed(world: ApiWorld) -> None:
    await world.ok("create", "-f", "-", stdin=token_secret("orphan", "nobody"))

    async def gone() -> None:
        assert await secret(world, "orphan") is None

    await eventually(gone, seconds=5, pause=0.05)


async def test_a_deleted_token_secret_is_no_longer_listed_by_its_account(world: ApiWorld) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bob"}}
    await world.ok("apply", "-f", "-", stdin=json.dumps({**account, "secrets": [{"name": "long"}, {"name": "other"}]}))
    await world.ok("apply", "-f", "-", stdin=token_secret("long", "bob"))
    token = base64.b64decode((await filled(world, "long"))["data"]["token"]).decode()
    await world.ok("delete", "secret", "long")
    assert await whoami(world, token) == 401

    async def unlisted() -> None:
        assert await world.ok("get", "serviceaccount", "bob", "-o", "jsonpath={.secrets[*].name}") == "other"

    await eventually(unlisted, seconds=5, pause=0.05)


async def test_an_expired_bootstrap_token_is_deleted_and_others_stay(world: ApiWorld) -> None:
    now = datetime.now(UTC)
    for identity, ends in (("aaaaaa", now - timedelta(hours=1)), ("bbbbbb", now + timedelta(hours=1)), ("cccccc", None)):
        await world.ok("create", "-f", "-", stdin=bootstrap_secret(identity, ends=ends))

    async def cleaned() -> None:
        assert await secret(world, "bootstrap-token-aaaaaa", "kube-system") is None

    await eventually(cleaned, seconds=5, pause=0.05)
    assert await secret(world, "bootstrap-token-bbbbbb", "kube-system") is not None
    assert await secret(world, "bootstrap-token-cccccc", "kube-system") is not None


async def _info(world: ApiWorld) -> dict[str, str]:
    async with world.http(None) as http, http.get(INFO) as response:
        assert response.status == 200, await response.text()
        data: dict[str, str] = (await response.json())["data"]
        return data


async def test_whoever_has_a_token_can_check_the_cluster_s_ca(world: ApiWorld) -> None:
    await world.ok("create", "-f", "-", stdin=bootstrap_secret("aaaaaa"))
    await world.ok("create", "-f", "-", stdin=bootstrap_secret("bbbbbb", signs=False))

    async def signed() -> dict[str, str]:
        data = await _info(world)
        assert "jws-kubeconfig-aaaaaa" in data
        return data

    data = await eventually(signed, seconds=5, pause=0.05)
    assert data.keys() == {"kubeconfig", "jws-kubeconfig-aaaaaa"}
    head, payload, signature = data["jws-kubeconfig-aaaaaa"].split(".")
    assert (payload, _raw(head)) == ("", b'{"alg":"HS256","kid":"aaaaaa"}')
    content = base64.urlsafe_b64encode(data["kubeconfig"].encode()).rstrip(b"=")
    assert hmac.digest(b"0123456789abcdef", head.encode() + b"." + content, "sha256") == _raw(signature)
    cluster = yaml.safe_load(data["kubeconfig"])["clusters"][0]["cluster"]
    assert cluster["server"] == "https://192.0.2.1:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == world.authority.certificate_pem

    await world.ok("delete", "secret", "bootstrap-token-aaaaaa", "-n", "kube-system")

    async def unsigned() -> None:
        assert (await _info(world)).keys() == {"kubeconfig"}

    await eventually(unsigned, seconds=5, pause=0.05)


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
