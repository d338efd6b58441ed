"""AdmissionReview: what a webhook is sent, and what its answer must be (admission.k8s.io/v1 and v1beta1). Pure.

Source: k8s.io/apiserver pkg/admission/plugin/webhook/request/admissionreview.go
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from master.api.admission.dynamic.attributes import Attributes, GroupVersionKind
from master.client.errors import StatusError, bad_request
from master.client.protocol import Json, ResourceRef

_GROUP = "admission.k8s.io"


class BadAnswer(Exception):
    """A webhook answered with something that is no valid review; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`patch`: operations of a JSON patch, None when the object stays as it is. `status`: of a refusal, as it came."""

    allowed: bool
    patch: Sequence[Any] | None = None
    status: Mapping[str, Any] | None = None
    warnings: Sequence[str] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


def review_of(uid: str, version: str, attributes: Attributes, *, kind: GroupVersionKind, resource: ResourceRef) -> bytes:
    """`kind` and `resource`: in which the object is shown; attributes.object and .old are in it already.

    Raises StatusError 400 for an object that is nested too deep within a review.
    """
    user: Json = {"username": attributes.user.name}
    if attributes.user.uid:
        user["uid"] = attributes.user.uid
    if attributes.user.groups:
        user["groups"] = list(attributes.user.groups)
    if attributes.user.extra:
        user["extra"] = {key: list(values) for key, values in attributes.user.extra.items()}
    request: Json = {
        "uid": uid,
        "kind": kind_of(kind),
        "resource": resource_of(resource),
        "requestKind": kind_of(attributes.kind),
        "requestResource": resource_of(attributes.resource),
        "operation": attributes.operation,
        "userInfo": user,
        "object": attributes.object,
        "oldObject": attributes.old,
        "dryRun": attributes.dry_run,
        "options": attributes.options,
    }
    if attributes.subresource:
        request["subResource"] = request["requestSubResource"] = attributes.subresource
    if attributes.name:
        request["name"] = attributes.name
    if attributes.namespace:
        request["namespace"] = attributes.namespace
    try:
        return orjson.dumps({"kind": "AdmissionReview", "apiVersion": f"{_GROUP}/{version}", "request": request})
    except TypeError as error:
        # Whatever the failurePolicy: nobody's nesting may keep an object from a webhook that would refuse it.
        raise bad_request(f"the object cannot be encoded for admission webhooks: {error}") from error


def kind_of(kind: GroupVersionKind) -> Json:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def resource_of(resource: ResourceRef) -> Json:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def answer_of(uid: str, version: str, review: Json, *, mutating: bool) -> Answer:
    """Raises BadAnswer."""
    response = review.get("response")
    if response is None:
        raise BadAnswer("webhook response was absent")
    if not isinstance(response, dict):
        raise BadAnswer("webhook response is no object")
    if version == "v1":
        if response.get("uid") != uid:
            raise BadAnswer(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
        sent = (review.get("apiVersion"), review.get("kind"))
        if sent != (f"{_GROUP}/v1", "AdmissionReview"):
            raise BadAnswer(
                f"expected webhook response of {_GROUP}/v1, Kind=AdmissionReview, got {sent[0] or '/'}, Kind={sent[1] or ''}"
            )
    return Answer(
        response.get("allowed") is True,
        _patch(response, version, mutating=mutating),
        _object(response, "status"),
        [text for text in _list(response, "warnings") if isinstance(text, str)],
        {key: value for key, value in (_object(response, "auditAnnotations") or {}).items() if isinstance(value, str)},
    )


def _patch(response: Json, version: str, *, mutating: bool) -> Sequence[Any] | None:
    encoded, patch_type = response.get("patch"), response.get("patchType")
    if not mutating:
        if version == "v1" and encoded:
            raise BadAnswer("validating webhook may not return response.patch")
        if version == "v1" and patch_type is not None:
            raise BadAnswer("validating webhook may not return response.patchType")
        return None
    if version == "v1":
        if encoded and patch_type is None:
            raise BadAnswer("webhook returned response.patch but not response.patchType")
        if not encoded and patch_type is not None:
            raise BadAnswer("webhook returned response.patchType but not response.patch")
        if patch_type == "":
            raise BadAnswer('webhook returned invalid response.patchType of ""')
        if patch_type not in (None, "JSONPatch"):
            raise BadAnswer(f'unsupported patch type "{patch_type}"')
    if not encoded:
        return None
    try:
        patch = orjson.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadAnswer(f"received undecodable patch in webhook response: {error}") from error
    if not isinstance(patch, list):
        raise BadAnswer("received undecodable patch in webhook response: it is no list of operations")
    return patch or None


def _object(response: Json, name: str) -> Json | None:
    value = response.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadAnswer(f"response.{name} is no object")
    return value


def _list(response: Json, name: str) -> Sequence[Any]:
    value = response.get(name)
    if value is not None and not isinstance(value, list):
        raise BadAnswer(f"response.{name} is no list")
    return value or ()


def refusal(hook_name: str, status: Mapping[str, Any] | None) -> StatusError:
    """The error that a client gets for a refusal, in Kubernetes' words (webhook/errors/statuserror.go)."""
    found = dict(status or {})
    denied = f'admission webhook "{hook_name}" denied the request'
    code = found.get("code")
    if not isinstance(code, int) or isinstance(code, bool) or not 400 <= code <= 599:
        code = 400
    message, reason, details = found.get("message"), found.get("reason"), found.get("details")
    reason = reason if isinstance(reason, str) else ""
    if isinstance(message, str) and message:
        text = f"{denied}: {message}"
    elif reason:
        text = f"{denied}: {reason}"
    else:
        text = f"{denied} without explanation"
    return StatusError(code, reason, text, details=details if isinstance(details, dict) else None)
