"""AuditEvent: what becomes an audit.k8s.io/v1 Event, gathered while one request is answered.

Bodies of Secrets, ConfigMaps, token reviews and token requests are never kept, whatever the policy says (ADR 24): the log
would hold the cluster's secrets in the clear. Nor are annotations that show such a body (a webhook's patch).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from master.api.audit.policy import Decision, Level
from master.api.auth.protocol import UserInfo
from master.api.http.request_info import RequestInfo

Json = dict[str, Any]

#: Whose bodies are never written: (group, resource), and one subresource.
_CONFIDENTIAL = frozenset({("", "secrets"), ("", "configmaps"), ("authentication.k8s.io", "tokenreviews")})
_CONFIDENTIAL_SUBRESOURCES = frozenset({("", "serviceaccounts", "token")})
_LONGEST_AGENT = 1024
#: Annotations with this prefix show a body.
PATCH_PREFIX = "patch.webhook.admission.k8s.io/"
_LEFT_OUT = {"audit.k8s.io/truncated": "true"}


class AuditEvent:
    """`at` gives one stage's line; between stages facts are added. Bodies longer than `body_bytes` are left out."""

    def __init__(
        self,
        audit_id: str,
        decision: Decision,
        *,
        info: RequestInfo,
        uri: str,
        user: UserInfo,
        source_ips: tuple[str, ...],
        agent: str,
        received: datetime,
        body_bytes: int,
    ) -> None:
        confidential = (info.group, info.resource) in _CONFIDENTIAL
        confidential = confidential or (info.group, info.resource, info.subresource) in _CONFIDENTIAL_SUBRESOURCES
        self.decision = decision
        #: Bodies are those of resources (discovery and health have none).
        self._level = min(decision.level, Level.METADATA) if confidential or not info.is_resource else decision.level
        self._body_bytes = body_bytes
        self._annotations: dict[str, str] = {}
        self._request: bytes | None = None
        self._response: bytes | None = None
        self._status: Json | None = None
        self._impersonated: Json | None = None
        self._fixed: Json = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": decision.level.text,
            "auditID": audit_id,
            "stage": "",
            "requestURI": uri,
            "verb": info.verb,
            "user": _user(user),
            "sourceIPs": list(source_ips),
            "requestReceivedTimestamp": _micro_time(received),
        }
        if agent:
            self._fixed["userAgent"] = agent if len(agent) <= _LONGEST_AGENT else f"{agent[:_LONGEST_AGENT]}...TRUNCATED"
        self._object: Json = {}
        if info.is_resource:
            found = {
                "resource": info.resource,
                "namespace": info.namespace,
                "name": info.name,
                "apiGroup": info.group,
                "apiVersion": info.version,
                "subresource": info.subresource,
            }
            self._object = {key: value for key, value in found.items() if value}

    def annotate(self, key: str, value: str) -> None:
        """The first value of a key stays."""
        if key.startswith(PATCH_PREFIX) and self._level < Level.REQUEST:
            return
        self._annotations.setdefault(key, value)

    def impersonated(self, user: UserInfo) -> None:
        self._impersonated = _user(user)

    @property
    def wants_request(self) -> bool:
        return self._level >= Level.REQUEST

    @property
    def wants_response(self) -> bool:
        return self._level >= Level.REQUEST_RESPONSE

    @property
    def body_length(self) -> int:
        """The bytes of the bodies that it holds."""
        return len(self._request or b"") + len(self._response or b"")

    def request_object(self, body: Any) -> None:
        """What was sent, decoded. Also fills in which object it is, as the path of a creation does not say it."""
        metadata = body.get("metadata") if isinstance(body, dict) else None
        if isinstance(metadata, dict):
            for field in ("name", "namespace", "uid", "resourceVersion"):
                if isinstance(metadata.get(field), str) and metadata[field]:
                    self._object.setdefault(field, metadata[field])
        if self.wants_request:
            self._request = self._bounded(orjson.dumps(self._without_managed_fields(body)))

    def response_object(self, raw: bytes) -> None:
        """The answer's JSON."""
        if not self.wants_response:
            return
        if self.decision.omit_managed_fields and b'"managedFields"' in raw and len(raw) <= self._body_bytes * 4:
            raw = orjson.dumps(self._without_managed_fields(orjson.loads(raw)))
        self._response = self._bounded(raw)

    def status(self, code: int, failure: Json | None = None) -> None:
        """How it ended; `failure`: the Status that the client got."""
        self._status = {"metadata": {}, "code": code}
        if failure is not None:
            kept = ("status", "message", "reason", "details")
            self._status = {"metadata": {}, **{k: failure[k] for k in kept if k in failure}, "code": code}

    def at(self, stage: str, now: datetime) -> Json | None:
        """The event of a stage, or None when the policy leaves it out."""
        if self.decision.level is Level.NONE or stage in self.decision.omitted_stages:
            return None
        event = {**self._fixed, "stage": stage, "stageTimestamp": _micro_time(now)}
        if self._impersonated:
            event["impersonatedUser"] = self._impersonated
        if self._object:
            event["objectRef"] = dict(self._object)
        if self._status is not None:
            event["responseStatus"] = self._status
        if self._request is not None:
            event["requestObject"] = orjson.Fragment(self._request)
        if self._response is not None:
            event["responseObject"] = orjson.Fragment(self._response)
        if self._annotations:
            event["annotations"] = dict(self._annotations)
        return event

    def _bounded(self, raw: bytes) -> bytes | None:
        if len(raw) <= self._body_bytes:
            return raw
        self._annotations.update(_LEFT_OUT)
        return None

    def _without_managed_fields(self, body: Any) -> Any:
        if not self.decision.omit_managed_fields or not isinstance(body, dict):
            return body
        if isinstance(body.get("items"), list):
            return {**body, "items": [self._without_managed_fields(item) for item in body["items"]]}
        metadata = body.get("metadata")
        if not isinstance(metadata, dict) or "managedFields" not in metadata:
            return body
        return {**body, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _user(user: UserInfo) -> Json:
    shown: Json = {"username": user.name}
    if user.uid:
        shown["uid"] = user.uid
    if user.groups:
        shown["groups"] = list(user.groups)
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return shown


def _micro_time(at: datetime) -> str:
    """metav1.MicroTime."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def source_ips(headers: Mapping[str, str], remote: str | None) -> tuple[str, ...]:
    """Where a request came from: what proxies say, then the peer (apimachinery's net.SourceIPs). Not proven."""
    said = [part.strip() for part in headers.get("X-Forwarded-For", "").split(",")]
    said.append(headers.get("X-Real-Ip", "").strip())
    found = dict.fromkeys(ip for ip in said if ip and len(ip) <= 45)
    if remote:
        found.setdefault(remote, None)
    return tuple(found)
