"""The service account tokens that pods' projected volumes ask for: which, for how long, and when the next ones are due.

What kubelet asks the API for, the master makes by itself, since nodes reach the broker alone. Nothing is kept: a pod's tokens
follow from the pod, its account and the time, so a restarted master orders what the nodes hold already (docs/adr/0026).

    created ──period──►│──period──►│──…      in each period one token per request, made out at the period's begin

Called by `master.fleet.view`. Reads only.
"""

import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node, Pod, Secret, ServiceAccount

from master.informer.informer import Informers
from master.pki.service_account.claims import Account, Bound, Ref, encode, new_claims
from master.pki.service_account.keys import ServiceAccountKeys
from proto.pod_tokens import TYPE, token_key

#: The share of its life after which a token is replaced (kubelet's token manager).
REFRESH_SHARE = 0.8
_DEFAULT_SECONDS = 3600
_NAMES = uuid.UUID("7e2b6f9c-3d1a-4c57-9f0e-51b1d6a0c5aa")
_BY_ACCOUNT = "fleet/account"


@dataclass(frozen=True, slots=True)
class PodTokenSettings:
    """`max_age`: seconds after which even a long token is replaced (kubelet's: 24 h)."""

    issuer: str
    max_age: float = 24 * 3600.0


@dataclass(frozen=True, slots=True, order=True)
class TokenRequest:
    """One projected token of a pod. `audience` "": the API."""

    seconds: int
    audience: str

    def period(self, max_age: float) -> float:
        """Seconds between two tokens."""
        return min(self.seconds * REFRESH_SHARE, max_age)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pod's tokens. `version` grows whenever they change; `load` makes them."""

    version: int
    load: Callable[[], Secret]


def token_requests(pod: Pod) -> list[TokenRequest]:
    """What a pod's volumes ask for; nothing when it has ended."""
    if pod.spec is None or (pod.status is not None and pod.status.phase in ("Succeeded", "Failed")):
        return []
    found = set()
    for volume in pod.spec.volumes or ():
        for source in (volume.projected.sources if volume.projected else None) or ():
            asked = source.serviceAccountToken
            if asked is not None:
                found.add(TokenRequest(asked.expirationSeconds or _DEFAULT_SECONDS, asked.audience or ""))
    return sorted(found)


class PodTokens:
    """Make it before the informers run, so that they fill together."""

    def __init__(
        self,
        informers: Informers,
        keys: ServiceAccountKeys,
        settings: PodTokenSettings,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._now = now
        self._accounts = informers.of(ServiceAccount)
        self._nodes = informers.of(Node)
        self._pods = informers.of(Pod)
        self._pods.add_index(_BY_ACCOUNT, _account_of)

    async def synced(self) -> None:
        await self._accounts.synced()

    def on_change(self, mark: Callable[[str], None]) -> None:
        """`mark` is called with each node whose pods' tokens a changed account concerns."""

        def changed(old: ServiceAccount | None, new: ServiceAccount | None) -> None:
            account = new or old
            assert account is not None
            assert account.metadata is not None
            for pod in self._pods.by_index(_BY_ACCOUNT, f"{account.metadata.namespace}/{account.metadata.name}"):
                if pod.spec is not None and pod.spec.nodeName:
                    mark(pod.spec.nodeName)

        self._accounts.add_handler(changed)

    def of(self, pod: Pod) -> Tokens | None:
        """None when it asks for none, or its account does not exist."""
        requests = token_requests(pod)
        if not requests or pod.spec is None or pod.metadata is None:
            return None
        found = self._accounts.get(pod.metadata.namespace or "", pod.spec.serviceAccountName or "default")
        if found is None or found.metadata is None:
            return None
        account = Account(found.metadata.namespace or "", found.metadata.name or "", found.metadata.uid or "")
        since, now = _created(pod), self._now()
        periods = {request: self._period(request, now - since) for request in requests}
        # Both parts only grow, so another content always has a higher version, and a restarted master finds the same one.
        version = int(found.metadata.resourceVersion or 0) + sum(periods.values()) + 1

        def load() -> Secret:
            issued = {request: int(since + self._begin(request, number)) for request, number in periods.items()}
            return self._secret(pod, account, issued)

        return Tokens(version, load)

    def due(self, pod: Pod) -> float | None:
        """Seconds until one of the pod's tokens is to be replaced; None without any."""
        age = self._now() - _created(pod)
        left = [self._begin(request, self._period(request, age) + 1) - age for request in token_requests(pod)]
        return min(left, default=None)

    def _period(self, request: TokenRequest, age: float) -> int:
        return max(0, int(age // request.period(self._settings.max_age)))

    def _begin(self, request: TokenRequest, number: int) -> float:
        return number * request.period(self._settings.max_age)

    def _secret(self, pod: Pod, account: Account, issued: dict[TokenRequest, int]) -> Secret:
        metadata = pod.metadata
        assert metadata is not None
        bound = Bound(pod=Ref(metadata.name or "", metadata.uid or ""), node=self._node(pod))
        issuer = self._settings.issuer
        data = {}
        for request, at in issued.items():
            key = token_key(request.audience, request.seconds)
            claims = new_claims(
                issuer=issuer,
                account=account,
                audiences=(request.audience or issuer,),
                now=at,
                seconds=request.seconds,
                bound=bound,
                api_audiences=(issuer,),
                identity=str(uuid.uuid5(_NAMES, f"{metadata.uid}/{key}/{at}")),
            )
            data[key] = b64encode(self._keys.sign(encode(claims)).encode()).decode()
        return Secret(metadata=ObjectMeta(name=metadata.uid, uid=metadata.uid), type=TYPE, data=data)

    def _node(self, pod: Pod) -> Ref | None:
        name = pod.spec.nodeName if pod.spec is not None else None
        if not name:
            return None
        node = self._nodes.get("", name)
        return Ref(name, (node.metadata.uid or "") if node is not None and node.metadata is not None else "")


def _created(pod: Pod) -> float:
    at = pod.metadata.creationTimestamp if pod.metadata is not None else None
    return at.timestamp() if at is not None else 0.0


def _account_of(pod: Pod) -> Iterator[str]:
    if pod.spec is not None and pod.metadata is not None and token_requests(pod):
        yield f"{pod.metadata.namespace}/{pod.spec.serviceAccountName or 'default'}"
