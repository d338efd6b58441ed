"""serviceaccounts/token: issues a token for an account, bound to an object when asked. Called by `master.api.http`.

Source: Kubernetes' pkg/registry/core/serviceaccount/storage/token.go and pkg/apis/authentication/validation. Nothing is
stored; the token is only ever in the answer.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from master.api.admission.protocol import ObjectReader
from master.api.audit.current import annotate
from master.client.errors import Cause, bad_request, conflict, invalid, not_found
from master.client.protocol import Json
from master.pki.service_account.claims import MAX_SECONDS, MIN_SECONDS, Account, Bound, Ref, encode, new_claims
from master.pki.service_account.keys import ServiceAccountKeys
from proto.k8s.time import format_time

#: authentication.k8s.io/v1 TokenRequest, the schema of what is sent.
DEFINITION = "io.k8s.api.authentication.v1.TokenRequest"
DEFAULT_SECONDS = 3600
_KIND, _GROUP = "TokenRequest", "authentication.k8s.io"


class TokenRequests:
    """`longest`: seconds; a longer request is cut to it, with a warning. 0: no bound but Kubernetes' own."""

    def __init__(
        self,
        keys: ServiceAccountKeys,
        reader: ObjectReader,
        *,
        issuer: str,
        api_audiences: Sequence[str],
        longest: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._reader = reader
        self._issuer = issuer
        self._api_audiences = tuple(api_audiences)
        self._longest = longest
        self._now = now

    async def prepare(self, namespace: str, name: str, body: Json) -> tuple[Json, Account]:
        """The (schema-checked) request with its defaults, for admission, and whom it is for. Raises StatusError."""
        metadata = body.get("metadata") or {}
        for key, expected, what in (("name", name, "name"), ("namespace", namespace, "namespace")):
            if metadata.get(key) and metadata[key] != expected:
                text = f'Invalid value: "{metadata[key]}": must match the service account {what} if specified'
                raise invalid(_KIND, _GROUP, name, [Cause(f"metadata.{key}", "FieldValueInvalid", text)])
        found = await self._reader.read("", "serviceaccounts", namespace, name)
        if found is None:
            raise not_found("serviceaccounts", "", name)
        spec = dict(body.get("spec") or {})
        spec["audiences"] = list(spec.get("audiences") or self._api_audiences)
        spec.setdefault("expirationSeconds", DEFAULT_SECONDS)
        if causes := _validate(spec):
            raise invalid(_KIND, _GROUP, "", causes)
        created = format_time(datetime.fromtimestamp(self._now(), UTC))
        request: Json = {
            "kind": _KIND,
            "apiVersion": f"{_GROUP}/v1",
            "metadata": {**metadata, "name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": spec,
            "status": {"token": "", "expirationTimestamp": None},
        }
        return request, Account(namespace, name, found["metadata"]["uid"])

    async def issue(self, account: Account, request: Json) -> tuple[Json, list[str]]:
        """The answer to a prepared request, and warnings. Raises StatusError."""
        spec: Json = request["spec"]
        now = int(self._now())
        bound = await self._bound(account, spec.get("boundObjectRef"))
        warnings: list[str] = []
        seconds: int = spec["expirationSeconds"]
        if self._longest and seconds > self._longest:
            warnings.append(f"requested expiration of {seconds} seconds shortened to {self._longest} seconds")
            seconds = spec["expirationSeconds"] = self._longest
        claims = new_claims(
            issuer=self._issuer,
            account=account,
            audiences=spec["audiences"],
            now=now,
            seconds=seconds,
            bound=bound,
            api_audiences=self._api_audiences,
            identity=str(uuid.uuid4()),
        )
        annotate("authentication.kubernetes.io/issued-credential-id", f"JTI={claims.identity}")
        ends = format_time(datetime.fromtimestamp(min(now + seconds, _LAST_SECOND), UTC))
        return {**request, "status": {"token": self._keys.sign(encode(claims)), "expirationTimestamp": ends}}, warnings

    async def _bound(self, account: Account, reference: Json | None) -> Bound:
        """Raises StatusError 400, 404 or 409."""
        if not reference:
            return Bound()
        group, _, version = (reference.get("apiVersion") or "").rpartition("/")
        kind, name = reference.get("kind") or "", reference.get("name") or ""
        if group or kind not in _PLURALS:
            raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
        plural = _PLURALS[kind]
        found = await self._reader.read("", plural, "" if kind == "Node" else account.namespace, name)
        if found is None:
            raise not_found(plural, "", name)
        ref = Ref(name, found["metadata"]["uid"])
        node: Ref | None = None
        if kind == "Pod":
            if (found.get("spec") or {}).get("serviceAccountName") != account.name:
                raise bad_request(
                    f'cannot bind token for serviceaccount "{account.name}" to pod running with different serviceaccount name.'
                )
            node = await self._node_of(found)
        wanted = reference.get("uid")
        if wanted and wanted != ref.uid:
            raise conflict(kind, group, name, _other_uid(wanted, ref.uid))
        match kind:
            case "Pod":
                return Bound(pod=ref, node=node)
            case "Secret":
                return Bound(secret=ref)
        return Bound(node=ref)

    async def _node_of(self, pod: Json) -> Ref | None:
        name = (pod.get("spec") or {}).get("nodeName")
        if not name:
            return None
        node = await self._reader.read("", "nodes", "", name)
        return Ref(name, node["metadata"]["uid"] if node is not None else "")


_PLURALS = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}
#: The last second of the year 9999: RFC 3339 knows no later one.
_LAST_SECOND = 253402300799


def _validate(spec: Json) -> list[Cause]:
    path, seconds = "spec.expirationSeconds", spec["expirationSeconds"]
    if seconds < MIN_SECONDS:
        return [_invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > MAX_SECONDS:
        return [_invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def _invalid(path: str, value: Any, why: str) -> Cause:
    return Cause(path, "FieldValueInvalid", f"Invalid value: {value}: {why}")


def _other_uid(wanted: str, present: str) -> str:
    return (
        f"the UID in the bound object reference ({wanted}) does not match the UID in record ({present}). "
        "The object might have been deleted and then recreated"
    )
