"""Service account tokens over HTTPS and kubectl: issued, used, reviewed, ended."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
VERSIONS = ("1.27", "1.30", "1.33")
ISSUER = "https://kubernetes.default.svc.cluster.local"
TOKEN_PATH = "/api/v1/namespaces/default/serviceaccounts/bob/token"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        await running.ok("create", "serviceaccount", "bob")
        yield running


def claims(token: str) -> Json:
    found: Json = jwt.decode(token, options={"verify_signature": False})
    return found


async def whoami(world: ApiWorld, token: str) -> tuple[int, Json]:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with world.http(None, {"Authorization": f"Bearer {token}"}) as http, http.post(path, json={}) as response:
        body: Json = await response.json()
        return response.status, body["status"]["userInfo"] if response.status == 201 else body


@pytest.mark.parametrize("version", VERSIONS)
async def test_kubectl_creates_tokens_that_authenticate(world: ApiWorld, version: str) -> None:
    token = (await world.ok("create", "token", "bob", "--duration=15m", "--audience", ISSUER, version=version)).strip()
    found = claims(token)
    assert (found["sub"], found["aud"], found["exp"] - found["iat"]) == ("system:serviceaccount:default:bob", [ISSUER], 900)
    code, user = await whoami(world, token)
    assert (code, user["username"]) == (201, "system:serviceaccount:default:bob")
    assert user["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
    if version != "1.27":
        config = world.folder / "no-user"
        config.write_text("")
        server = ["--server", world.url, "--certificate-authority", str(world.folder / "ca.crt"), "--kubeconfig", str(config)]
        said = await world.ok("auth", "whoami", "--token", token, *server, version=version)
        assert "system:serviceaccount:default:bob" in said


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_token_bound_to_a_secret_ends_with_it(world: ApiWorld, version: str) -> None:
    await world.ok("create", "secret", "generic", "s")
    bound = ["--bound-object-kind=Secret", "--bound-object-name=s"]
    token = (await world.ok("create", "token", "bob", *bound, version=version)).strip()
    assert claims(token)["kubernetes.io"]["secret"]["name"] == "s"
    assert (await whoami(world, token))[0] == 201
    await world.ok("delete", "secret", "s")
    assert (await whoami(world, token))[0] == 401


async def test_bad_token_requests_are_refused_with_the_field(world: ApiWorld) -> None:
    short = await world.kubectl("create", "token", "bob", "--duration=1m")
    assert "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes" in short.err
    missing = await world.kubectl("create", "token", "nobody")
    assert 'serviceaccounts "nobody" not found' in missing.err
    async with world.http(world.admin()) as http:
        for method in ("get", "put", "delete", "patch"):
            async with http.request(method, TOKEN_PATH, json={}) as response:
                assert response.status in (405, 415), (method, await response.text())
        for body, code in (({"kind": "Pod"}, 400), ({"spec": 7}, 400), ({"spec": {"audiences": "x"}}, 400), ([], 400)):
            async with http.post(TOKEN_PATH, json=body) as response:
                assert response.status == code, (body, await response.text())
        async with http.post(f"{TOKEN_PATH}?dryRun=All", json={}) as response:
            assert (response.status, (await response.json())["status"]["token"]) == (201, "")


async def test_a_token_says_what_another_audience_may_believe(world: ApiWorld) -> None:
    token = (await world.ok("create", "token", "bob", "--audience=vault")).strip()
    assert (await whoami(world, token))[0] == 401


async def test_others_can_check_tokens_by_the_published_keys(world: ApiWorld) -> None:
    token = (await world.ok("create", "token", "bob")).strip()
    configuration = json.loads(await world.ok("get", "--raw", "/.well-known/openid-configuration"))
    assert configuration["issuer"] == ISSUER
    assert configuration["jwks_uri"] == "https://192.0.2.1:6443/openid/v1/jwks"
    # Every service account may read them; who shows no credentials may not.
    async with world.http(None, {"Authorization": f"Bearer {token}"}) as http, http.get("/openid/v1/jwks") as response:
        assert (response.status, response.content_type) == (200, "application/jwk-set+json")
        keys = jwt.PyJWKSet.from_dict(json.loads(await response.read()))
    async with world.http(None) as http, http.get("/openid/v1/jwks") as response:
        assert response.status == 403
    key = keys[jwt.get_unverified_header(token)["kid"]]
    algorithms = configuration["id_token_signing_alg_values_supported"]
    assert jwt.decode(token, key, algorithms=algorithms, audience=ISSUER)["iss"] == ISSUER


async def test_a_forged_or_broken_token_is_unauthorized_and_never_an_error(world: ApiWorld) -> None:
    token = (await world.ok("create", "token", "bob")).strip()
    head, body, signature = token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for forged in (f"{head}.{body}.", f"{none}.{body}.", f"{head}.{body}.{signature[:-8]}AAAAAAAA", "..", "a.b.c", "é.b.c"):
        assert (await whoami(world, forged))[0] == 401


async def _review(world: ApiWorld, **spec: Any) -> tuple[int, Json]:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    async with world.http(world.admin()) as http, http.post(path, json={"spec": spec}) as response:
        return response.status, await response.json()


async def test_a_token_review_says_whose_a_token_is(world: ApiWorld) -> None:
    token = (await world.ok("create", "token", "bob", "--audience=vault", "--audience", ISSUER)).strip()
    code, review = await _review(world, token=token)
    assert (code, review["status"]["authenticated"], review["status"]["audiences"]) == (201, True, [ISSUER])
    assert review["status"]["user"]["username"] == "system:serviceaccount:default:bob"
    _, review = await _review(world, token=token, audiences=["x", "vault"])
    assert review["status"]["audiences"] == ["vault"]
    _, review = await _review(world, token=token, audiences=["x"])
    assert "authenticated" not in review["status"]
    assert f'token audiences ["vault" "{ISSUER}"] is invalid for the target audiences ["x"]' in review["status"]["error"]
    _, review = await _review(world, token="nobody's")
    assert review["status"] == {"user": {}, "error": "invalid bearer token"}
    code, review = await _review(world)
    assert (code, review["message"]) == (400, "token is required for TokenReview in authentication")
