"""Audit events: what of a request stands in them, and what never does."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from master.api.audit.event import AuditEvent, source_ips
from master.api.audit.policy import Decision, Level
from master.api.auth.protocol import UserInfo
from master.api.http.request_info import parse

AT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
PODS = "/api/v1/namespaces/a/pods"


def event(path: str = PODS, *, level: Level = Level.REQUEST_RESPONSE, omit: bool = False, method: str = "POST") -> AuditEvent:
    return AuditEvent(
        "the-id",
        Decision(level, frozenset(), omit),
        info=parse(method, path, watch=False),
        uri=f"{path}?dryRun=All",
        user=UserInfo("jane", groups=("team",), extra={"scopes": ("a",)}),
        source_ips=("192.0.2.1",),
        agent="x" * 2000,
        received=AT,
        body_bytes=1000,
    )


def shown(found: AuditEvent) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(orjson.dumps(found.at("ResponseComplete", AT)))
    return content


def test_an_event_says_who_did_what_and_how_it_ended() -> None:
    found = event()
    found.request_object({"metadata": {"name": "x"}, "spec": {}})
    found.status(201)
    found.response_object(b'{"metadata":{"name":"x","uid":"1"}}')
    found.annotate("a/b", "first")
    found.annotate("a/b", "second")
    found.impersonated(UserInfo("joe"))
    assert shown(found) == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": "the-id",
        "stage": "ResponseComplete",
        "requestURI": f"{PODS}?dryRun=All",
        "verb": "create",
        "user": {"username": "jane", "groups": ["team"], "extra": {"scopes": ["a"]}},
        "impersonatedUser": {"username": "joe"},
        "sourceIPs": ["192.0.2.1"],
        "userAgent": "x" * 1024 + "...TRUNCATED",
        "objectRef": {"resource": "pods", "namespace": "a", "name": "x", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestObject": {"metadata": {"name": "x"}, "spec": {}},
        "responseObject": {"metadata": {"name": "x", "uid": "1"}},
        "requestReceivedTimestamp": "2024-05-06T07:08:09.123456Z",
        "stageTimestamp": "2024-05-06T07:08:09.123456Z",
        "annotations": {"a/b": "first"},
    }


@pytest.mark.parametrize(
    ("level", "request_body", "response_body"),
    [(Level.METADATA, False, False), (Level.REQUEST, True, False), (Level.REQUEST_RESPONSE, True, True)],
)
def test_the_level_says_which_bodies_are_kept(level: Level, request_body: bool, response_body: bool) -> None:
    found = event(level=level)
    found.request_object({"a": 1})
    found.response_object(b'{"b":1}')
    assert ("requestObject" in shown(found), "responseObject" in shown(found)) == (request_body, response_body)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/a/secrets",
        "/api/v1/namespaces/a/secrets/x",
        "/api/v1/secrets",
        "/api/v1/namespaces/a/configmaps",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        "/api/v1/namespaces/a/serviceaccounts/x/token",
    ],
)
def test_secrets_are_never_kept_at_any_level(path: str) -> None:
    found = event(path)
    found.request_object({"metadata": {"name": "x"}, "data": {"password": "c2VjcmV0"}})
    found.response_object(b'{"data":{"password":"c2VjcmV0"},"status":{"token":"c2VjcmV0"}}')
    found.annotate("patch.webhook.admission.k8s.io/round_0_index_0", "c2VjcmV0")
    found.annotate("mutation.webhook.admission.k8s.io/round_0_index_0", "{}")
    text = orjson.dumps(found.at("ResponseComplete", AT)).decode()
    assert "c2VjcmV0" not in text
    assert "mutation.webhook" in text
    assert shown(found)["level"] == "RequestResponse"
    assert shown(found)["objectRef"]["name"] == "x"


def test_long_bodies_are_left_out_and_managed_fields_if_the_policy_says_so() -> None:
    found = event()
    found.response_object(b'{"a":"' + b"x" * 1000 + b'"}')
    assert "responseObject" not in shown(found)
    assert shown(found)["annotations"] == {"audit.k8s.io/truncated": "true"}
    found = event(omit=True)
    body = {"metadata": {"name": "x", "managedFields": [{}]}}
    found.request_object(body)
    found.response_object(orjson.dumps({"items": [body]}))
    assert shown(found)["requestObject"] == {"metadata": {"name": "x"}}
    assert shown(found)["responseObject"] == {"items": [{"metadata": {"name": "x"}}]}
    assert body["metadata"]["managedFields"], "what was sent stays as it is"


def test_a_failure_shows_its_status_and_an_omitted_stage_nothing() -> None:
    found = event()
    found.status(404, {"kind": "Status", "status": "Failure", "message": "no", "reason": "NotFound", "code": 404})
    assert shown(found)["responseStatus"] == {
        "metadata": {}, "status": "Failure", "message": "no", "reason": "NotFound", "code": 404,
    }  # fmt: skip
    found.decision = Decision(Level.METADATA, frozenset({"ResponseComplete"}))
    assert found.at("ResponseComplete", AT) is None


def test_where_a_request_came_from() -> None:
    assert source_ips({"X-Forwarded-For": "192.0.2.1, 192.0.2.2", "X-Real-Ip": "192.0.2.1"}, "192.0.2.9") == (
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.9",
    )
    assert source_ips({}, None) == ()
