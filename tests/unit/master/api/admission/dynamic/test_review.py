"""What a webhook may answer, and what becomes of it."""

import base64
from typing import Any

import orjson
import pytest

from master.api.admission.dynamic.webhooks.review import BadAnswer, answer_of, refusal
from master.client.protocol import Json

PATCH = base64.b64encode(b'[{"op":"remove","path":"/a"}]').decode()


def review(version: str = "v1", **response: Any) -> Json:
    return {
        "apiVersion": f"admission.k8s.io/{version}",
        "kind": "AdmissionReview",
        "response": {"uid": "u", "allowed": True, **response},
    }


@pytest.mark.parametrize(
    ("answer", "mutating", "words"),
    [
        ({}, True, "webhook response was absent"),
        ({**review(), "response": 1}, True, "no object"),
        (review(uid="other"), True, 'expected response.uid="u", got "other"'),
        (
            {**review(), "apiVersion": "v1"},
            True,
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got",
        ),
        (review(patch=PATCH), True, "webhook returned response.patch but not response.patchType"),
        (review(patchType="JSONPatch"), True, "webhook returned response.patchType but not response.patch"),
        (review(patch=PATCH, patchType=""), True, 'invalid response.patchType of ""'),
        (review(patch=PATCH, patchType="Merge"), True, 'unsupported patch type "Merge"'),
        (review(patch="!!", patchType="JSONPatch"), True, "undecodable patch"),
        (review(patch=5, patchType="JSONPatch"), True, "undecodable patch"),
        (review(patch=base64.b64encode(b"{}").decode(), patchType="JSONPatch"), True, "no list of operations"),
        (review(patch=PATCH), False, "validating webhook may not return response.patch"),
        (review(patchType="JSONPatch"), False, "validating webhook may not return response.patchType"),
        (review(status=[]), True, "response.status is no object"),
        (review(warnings={}), True, "response.warnings is no list"),
        (review(auditAnnotations=[]), True, "response.auditAnnotations is no object"),
    ],
)
def test_an_answer_that_is_no_review_is_refused(answer: Json, mutating: bool, words: str) -> None:
    with pytest.raises(BadAnswer) as refused:
        answer_of("u", "v1", answer, mutating=mutating)
    assert words in str(refused.value)


def test_a_good_answer_is_read() -> None:
    sent = review(patch=PATCH, patchType="JSONPatch", warnings=["w", 1], auditAnnotations={"k": "v", "n": 1})
    answer = answer_of("u", "v1", sent, mutating=True)
    assert (answer.allowed, answer.patch) == (True, [{"op": "remove", "path": "/a"}])
    assert (answer.warnings, answer.annotations) == (["w"], {"k": "v"})
    assert answer_of("u", "v1", review(allowed="yes"), mutating=True).allowed is False
    assert (
        answer_of("u", "v1", review(patch=base64.b64encode(b"[]").decode(), patchType="JSONPatch"), mutating=True).patch
        is None
    )


def test_v1beta1_needs_neither_uid_nor_patch_type() -> None:
    answer = answer_of("u", "v1beta1", {"response": {"allowed": True, "patch": PATCH}}, mutating=True)
    assert answer.patch == [{"op": "remove", "path": "/a"}]
    assert answer_of("u", "v1beta1", {"response": {"allowed": True, "patch": PATCH}}, mutating=False).patch is None


@pytest.mark.parametrize(
    ("status", "code", "reason", "message"),
    [
        (None, 400, "", 'admission webhook "x" denied the request without explanation'),
        ({"message": "no", "code": 200}, 400, "", 'admission webhook "x" denied the request: no'),
        ({"reason": "Forbidden", "code": 403}, 403, "Forbidden", 'admission webhook "x" denied the request: Forbidden'),
        ({"message": "no", "code": "403", "reason": 5}, 400, "", 'admission webhook "x" denied the request: no'),
        ({"message": "no", "code": 99999}, 400, "", 'admission webhook "x" denied the request: no'),
    ],
)
def test_a_refusal_never_looks_like_a_success(status: Json | None, code: int, reason: str, message: str) -> None:
    error = refusal("x", status)
    assert (error.code, error.reason, error.message) == (code, reason, message)
    assert orjson.dumps(error.body)
