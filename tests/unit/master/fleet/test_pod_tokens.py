"""Which tokens a pod gets, when others are due, and that a restarted master orders the same."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from lightkube.resources.core_v1 import Pod

from master.client.protocol import RawEvent, RawList, ResourceRef, Verbs
from master.fleet.pod_tokens import PodTokens, PodTokenSettings, TokenRequest, token_requests
from master.informer import Informers
from master.pki.authority import generate_key, key_to_pem
from master.pki.service_account.claims import Claims, Ref, decode
from master.pki.service_account.keys import ServiceAccountKeys
from proto.pod_tokens import token_key

ISSUER = "https://kubernetes.default.svc.cluster.local"
KEYS = ServiceAccountKeys(key_to_pem(generate_key()))
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


def pod(*sources: Json, account: str = "bob", phase: str = "Running") -> Pod:
    manifest = {
        "metadata": {"name": "p", "namespace": "team", "uid": "u-p", "creationTimestamp": CREATED},
        "spec": {
            "containers": [{"name": "c"}],
            "nodeName": "n",
            "serviceAccountName": account,
            "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": one} for one in sources]}}],
        },
        "status": {"phase": phase},
    }
    return msgspec.convert(manifest, Pod)


HOUR: Json = {"path": "token", "expirationSeconds": 3607}
VAULT: Json = {"path": "vault", "expirationSeconds": 600, "audience": "vault"}


class Objects:
    """The list and watch of `Verbs` over a fixed set."""

    def __init__(self, **objects: Sequence[Json]) -> None:
        self._objects = objects

    async def list(self, resource: ResourceRef, namespace: str, **selectors: str) -> RawList:
        return RawList([msgspec.json.encode(obj) for obj in self._objects.get(resource.plural, ())], 9)

    async def watch(self, resource: ResourceRef, namespace: str, **more: Any) -> AsyncIterator[Sequence[RawEvent]]:
        await asyncio.Event().wait()
        yield ()


@asynccontextmanager
async def tokens(*, after: float = 0.0, account_version: int = 40, max_age: float = 86400.0) -> AsyncIterator[PodTokens]:
    """`after`: seconds since the pod's creation."""
    account = {"metadata": {"name": "bob", "namespace": "team", "uid": "u-b", "resourceVersion": str(account_version)}}
    node = {"metadata": {"name": "n", "uid": "u-n", "resourceVersion": "1"}}
    informers = Informers(cast(Verbs, Objects(serviceaccounts=[account], nodes=[node])))
    settings = PodTokenSettings(issuer=ISSUER, max_age=max_age)
    made = PodTokens(informers, KEYS, settings, now=lambda: CREATED.timestamp() + after)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(informers.run())
        await informers.synced()
        yield made
        running.cancel()


def claims_in(made: PodTokens, of: Pod, audience: str, seconds: int) -> Claims:
    found = made.of(of)
    assert found is not None
    data = found.load().data or {}
    claims = decode(KEYS.verify(b64decode(data[token_key(audience, seconds)]).decode()))
    assert isinstance(claims, Claims)
    return claims


def test_each_distinct_request_counts_once_and_an_ended_pod_asks_for_nothing() -> None:
    assert token_requests(pod(HOUR, VAULT, {**HOUR, "path": "again"})) == [
        TokenRequest(600, "vault"),
        TokenRequest(3607, ""),
    ]
    assert token_requests(pod(HOUR, phase="Succeeded")) == []
    assert token_requests(pod()) == []


async def test_tokens_are_bound_to_pod_and_node() -> None:
    async with tokens() as made:
        found = made.of(pod(HOUR))
        assert found is not None
        secret = found.load()
        assert secret.metadata is not None
        assert (secret.metadata.name, secret.metadata.namespace, secret.metadata.uid) == ("u-p", None, "u-p")
        claims = claims_in(made, pod(HOUR), "", 3607)
        assert (claims.account.user, claims.account.uid) == ("system:serviceaccount:team:bob", "u-b")
        assert (claims.bound.pod, claims.bound.node) == (Ref("p", "u-p"), Ref("n", "u-n"))
        assert (claims.audiences, claims.warn_after - claims.issued_at) == ((ISSUER,), 3607)


async def test_a_token_is_replaced_at_80_percent_of_its_life() -> None:
    both = pod(HOUR, VAULT)
    async with tokens(after=479) as made:
        assert made.due(both) == 1.0
        before = made.of(both)
        first = claims_in(made, both, "vault", 600)
    async with tokens(after=480) as made:
        assert made.due(both) == 480.0
        after = made.of(both)
        assert before is not None
        assert after is not None
        assert after.version == before.version + 1
        assert claims_in(made, both, "vault", 600).issued_at == first.issued_at + 480
        assert claims_in(made, both, "", 3607).issued_at == int(CREATED.timestamp())


async def test_a_long_token_is_replaced_every_day() -> None:
    long = pod({"path": "t", "expirationSeconds": 10_000_000})
    async with tokens(after=90_000) as made:
        assert made.due(long) == 2 * 86400 - 90_000
        assert claims_in(made, long, "", 10_000_000).issued_at == int(CREATED.timestamp()) + 86400


async def test_a_restarted_master_makes_the_same_claims_under_the_same_version() -> None:
    async with tokens(after=5000) as one, tokens(after=5100) as other:
        assert claims_in(one, pod(HOUR), "", 3607) == claims_in(other, pod(HOUR), "", 3607)
        first, second = one.of(pod(HOUR)), other.of(pod(HOUR))
        assert first is not None
        assert second is not None
        assert first.version == second.version


async def test_an_account_that_was_made_anew_gives_new_tokens_and_a_missing_one_none() -> None:
    async with tokens(account_version=40) as old, tokens(account_version=50) as new:
        before, after = old.of(pod(HOUR)), new.of(pod(HOUR))
        assert before is not None
        assert after is not None
        assert after.version > before.version
        assert new.of(pod(HOUR, account="nobody")) is None
        assert new.of(pod()) is None
        assert new.due(pod()) is None
