"""Which service account tokens are issued, and when they stop working."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import Counter

from master.api.auth.protocol import TokenRefused, UserInfo
from master.api.auth.service_account.authenticator import STALE_TOKENS, VALID_TOKENS, ServiceAccountAuthenticator
from master.api.auth.service_account.token_requests import TokenRequests
from master.client.errors import StatusError
from master.pki.authority import generate_key, key_to_pem
from master.pki.service_account.claims import Account, LegacyClaims, encode_legacy
from master.pki.service_account.keys import ServiceAccountKeys

Json = dict[str, Any]
ISSUER = "https://kubernetes.default.svc.cluster.local"
KEYS = ServiceAccountKeys(key_to_pem(generate_key()))


class World:
    """Objects by plural and name, a clock, and both sides of tokens over them."""

    def __init__(self, *, longest: int = 0) -> None:
        self.objects: dict[str, Json] = {}
        self.time = 1_000_000.0
        self.tokens = TokenRequests(KEYS, self, issuer=ISSUER, api_audiences=(ISSUER,), longest=longest, now=lambda: self.time)
        self.authenticator = ServiceAccountAuthenticator(
            KEYS, self, issuer=ISSUER, api_audiences=(ISSUER,), now=lambda: self.time
        )
        self.put("serviceaccounts/bob")
        self.put("pods/p", spec={"serviceAccountName": "bob", "nodeName": "n"})
        self.put("nodes/n")
        self.put("secrets/s")

    def put(self, path: str, *, uid: str = "", deleted: str = "", **fields: Any) -> None:
        plural, name = path.split("/")
        metadata: Json = {"name": name, "uid": uid or f"uid-{plural}-{name}"}
        if deleted:
            metadata["deletionTimestamp"] = deleted
        self.objects[path] = {"metadata": metadata, **fields}

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        return self.objects.get(f"{plural}/{name}")

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        return ()

    async def request(self, **spec: Any) -> tuple[Json, list[str]]:
        prepared, account = await self.tokens.prepare("team", "bob", {"spec": spec})
        return await self.tokens.issue(account, prepared)

    async def token(self, kind: str = "", name: str = "", **spec: Any) -> str:
        if kind:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": kind, "name": name}
        text: str = (await self.request(**spec))[0]["status"]["token"]
        return text

    async def user(self, token: str) -> UserInfo:
        found = await self.authenticator.authenticate_for(token, [ISSUER])
        assert found is not None
        return found.user

    async def refusal(self, token: str, *audiences: str) -> str:
        with pytest.raises(TokenRefused) as refused:
            await self.authenticator.authenticate_for(token, audiences or [ISSUER])
        assert await self.authenticator.authenticate(token) is None or audiences
        return str(refused.value)


async def test_a_pod_s_token_is_the_account_with_pod_and_node() -> None:
    world = World()
    user = await world.user(await world.token("Pod", "p"))
    assert (user.name, user.uid) == ("system:serviceaccount:team:bob", "uid-serviceaccounts-bob")
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated")
    identity = user.extra.pop("authentication.kubernetes.io/credential-id")  # type: ignore[attr-defined]
    assert identity[0].startswith("JTI=")
    assert user.extra == {
        "authentication.kubernetes.io/pod-name": ["p"],
        "authentication.kubernetes.io/pod-uid": ["uid-pods-p"],
        "authentication.kubernetes.io/node-name": ["n"],
        "authentication.kubernetes.io/node-uid": ["uid-nodes-n"],
    }


async def test_a_token_ends_with_what_it_is_bound_to() -> None:
    for kind, path in (("Pod", "pods/p"), ("Secret", "secrets/s"), ("Node", "nodes/n")):
        world = World()
        token = await world.token(kind, path.partition("/")[2])
        await world.user(token)
        world.put(path, uid="another", spec={"serviceAccountName": "bob"})
        what = kind.lower()
        assert await world.refusal(token) == (
            f"{what} UID (another) does not match service account {what} ref claim (uid-{path.replace('/', '-')})"
        )
        del world.objects[path]
        assert await world.refusal(token) == "service account token has been invalidated"


async def test_a_token_ends_a_minute_after_its_pod_s_deletion() -> None:
    world = World()
    token = await world.token("Pod", "p")
    world.put("pods/p", deleted="1970-01-12T13:46:40Z")  # now
    await world.user(token)
    world.time += 61
    assert await world.refusal(token) == "service account token has been invalidated"


async def test_a_token_ends_with_its_account() -> None:
    world = World()
    token = await world.token()
    world.put("serviceaccounts/bob", uid="another")
    assert await world.refusal(token) == "service account UID (another) does not match claim (uid-serviceaccounts-bob)"
    del world.objects["serviceaccounts/bob"]
    assert await world.refusal(token) == 'serviceaccounts "bob" not found'


async def test_a_token_ends_with_its_time() -> None:
    world = World()
    token = await world.token(expirationSeconds=600)
    world.time += 600 + 59
    await world.user(token)
    world.time += 2
    assert await world.refusal(token) == "service account token has expired"


async def test_a_mounted_token_is_stale_after_its_hour_and_works_for_a_year() -> None:
    world = World()
    token = await world.token("Pod", "p", expirationSeconds=3607)
    stale, valid = _count(STALE_TOKENS), _count(VALID_TOKENS)
    world.time += 3600
    await world.user(token)
    assert (_count(STALE_TOKENS), _count(VALID_TOKENS)) == (stale, valid + 1)
    world.time += 300 * 24 * 3600
    await world.user(token)
    assert (_count(STALE_TOKENS), _count(VALID_TOKENS)) == (stale + 1, valid + 1)
    world.time += 70 * 24 * 3600
    assert await world.refusal(token) == "service account token has expired"


def _count(counter: Counter) -> float:
    return next(iter(counter.collect())).samples[0].value


async def test_a_token_for_others_is_refused_here_and_accepted_for_them() -> None:
    world = World()
    token = await world.token(audiences=["vault", "other"])
    assert await world.refusal(token) == (
        f'token audiences ["vault" "other"] is invalid for the target audiences ["{ISSUER}"]'
    )
    found = await world.authenticator.authenticate_for(token, ["x", "vault"])
    assert found is not None
    assert found.audiences == ("vault",)


async def test_other_tokens_are_left_to_others() -> None:
    world = World()
    for token in ("abcdef.0123456789abcdef", "x", KEYS.sign({"iss": "https://elsewhere"})):
        assert await world.authenticator.authenticate_for(token, [ISSUER]) is None


async def test_a_forged_token_is_refused() -> None:
    other = ServiceAccountKeys(key_to_pem(generate_key()))
    assert await World().refusal(other.sign({"iss": ISSUER})) == "no key of this cluster signed the token"


async def test_a_request_is_answered_with_its_defaults() -> None:
    answer, warnings = await World().request()
    assert warnings == []
    assert answer["spec"] == {"audiences": [ISSUER], "expirationSeconds": 3600}
    assert answer["status"]["expirationTimestamp"] == "1970-01-12T14:46:40Z"
    assert answer["metadata"] == {"name": "bob", "namespace": "team", "creationTimestamp": "1970-01-12T13:46:40Z"}


async def test_a_request_that_is_too_long_is_shortened_with_a_warning() -> None:
    answer, warnings = await World(longest=7200).request(expirationSeconds=9000)
    assert answer["spec"]["expirationSeconds"] == 7200
    assert warnings == ["requested expiration of 9000 seconds shortened to 7200 seconds"]


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        (
            {"expirationSeconds": 599},
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: '
            "may not specify a duration less than 10 minutes",
        ),
        (
            {"expirationSeconds": 4294967297},
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: '
            "may not specify a duration larger than 2^32 seconds",
        ),
        ({"boundObjectRef": {"kind": "Pod", "name": "q"}}, 404, 'pods "q" not found'),
        (
            {"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}},
            400,
            "cannot bind token to object of type apps/v1, Kind=Deployment",
        ),
        (
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "other"}},
            400,
            'cannot bind token for serviceaccount "bob" to pod running with different serviceaccount name.',
        ),
        (
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u"}},
            409,
            'Operation cannot be fulfilled on Secret "s": the UID in the bound object reference (u) does not match the UID '
            "in record (uid-secrets-s). The object might have been deleted and then recreated",
        ),
    ],
)
async def test_bad_requests_get_kubernetes_answers(spec: Json, code: int, message: str) -> None:
    world = World()
    world.put("pods/other", spec={"serviceAccountName": "alice"})
    with pytest.raises(StatusError) as refused:
        await world.request(**spec)
    assert (refused.value.code, str(refused.value)) == (code, message)


async def test_a_request_for_another_account_than_its_path_s_is_invalid() -> None:
    with pytest.raises(StatusError) as refused:
        await World().tokens.prepare("team", "bob", {"metadata": {"name": "alice"}})
    assert refused.value.code == 422
    with pytest.raises(StatusError) as refused:
        await World().tokens.prepare("team", "alice", {})
    assert refused.value.code == 404


class Legacy(World):
    """A world whose Secret "s" holds a token."""

    def __init__(self) -> None:
        super().__init__()
        account = Account("team", "bob", "uid-serviceaccounts-bob")
        self.token_text = KEYS.sign(encode_legacy(LegacyClaims(account, "s")))
        self.hold(self.token_text)

    def hold(self, token: str) -> None:
        data = {"token": b64encode(token.encode()).decode()}
        self.put("secrets/s", type="kubernetes.io/service-account-token", data=data)


async def test_a_secret_s_token_works_as_long_as_the_secret_holds_it() -> None:
    world = Legacy()
    user = await world.user(world.token_text)
    assert (user.name, user.extra) == ("system:serviceaccount:team:bob", {})
    world.hold("another")
    assert await world.refusal(world.token_text) == "service account token does not match server's copy"
    del world.objects["secrets/s"]
    assert await world.refusal(world.token_text) == "service account token has been invalidated"


async def test_a_secret_s_token_that_was_marked_invalid_is_refused() -> None:
    world = Legacy()
    world.hold(world.token_text)
    world.objects["secrets/s"]["metadata"]["labels"] = {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}
    assert await world.refusal(world.token_text) == "the token in secret has been marked as invalid"
