"""What the reviews answer, and which questions are refused."""

from collections.abc import Sequence
from typing import Any

import pytest

from master.api.auth.authentication import Authentication
from master.api.auth.authorization import Authorization
from master.api.auth.protocol import AUTHENTICATED, MASTERS, UserInfo
from master.api.auth.rbac.index import RbacIndex
from master.api.auth.reviews.registry import REVIEWS, Reviews
from master.api.auth.reviews.review import ReviewContext, ReviewRequest
from master.api.registry.write_options import WriteOptions
from master.client.errors import StatusError, not_found
from master.client.protocol import Json, ResourceRef

ACCESS = "authorization.k8s.io"
JANE = UserInfo("jane", uid="7", groups=("team", AUTHENTICATED), extra={"x": ["y"]})
ADMIN = UserInfo("root", groups=(MASTERS, AUTHENTICATED))
PODS = {"verb": "get", "resource": "pods", "namespace": "ns"}


class NoObjects:
    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        return None

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        return []


class NoAdmission:
    async def __call__(
        self, resource: ResourceRef, namespace: str, name: str, obj: Json, options: WriteOptions, *, subresource: str
    ) -> None:
        """Allows all."""


async def no_pods(namespace: str, name: str, binding: Json, options: WriteOptions) -> Json:
    raise not_found("pods", "", name)


async def ask(
    plural: str, spec: Any, *, user: UserInfo = JANE, group: str = ACCESS, namespace: str = "", **metadata: Any
) -> Any:
    review = REVIEWS.get(group, "v1", plural, "")
    assert review is not None
    if namespace:
        metadata.setdefault("namespace", namespace)
    context = ReviewContext(
        authorization=Authorization(RbacIndex()),
        authentication=Authentication([]),
        reader=NoObjects(),
        admit=NoAdmission(),
        bind=no_pods,
    )
    body = {"metadata": metadata, "spec": spec}
    request = ReviewRequest(user=user, namespace=namespace, name="", body=body, dry_run=False, context=context)
    return (await review.respond(request))["status"]


async def refusal(plural: str, spec: Any, **more: Any) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await ask(plural, spec, **more)
    return caught.value


async def test_a_self_review_is_about_who_asks() -> None:
    assert await ask("selfsubjectaccessreviews", {"resourceAttributes": PODS}, user=ADMIN) == {"allowed": True}
    assert await ask("selfsubjectaccessreviews", {"resourceAttributes": PODS}) == {"allowed": False}
    assert await ask("selfsubjectaccessreviews", {"nonResourceAttributes": {"verb": "get", "path": "/readyz"}}) == {
        "allowed": True
    }


async def test_a_subject_review_is_about_whom_it_names() -> None:
    spec = {"resourceAttributes": PODS, "groups": [MASTERS]}
    assert await ask("subjectaccessreviews", spec) == {"allowed": True}
    assert await ask("subjectaccessreviews", {**spec, "groups": ["others"]}) == {"allowed": False}


@pytest.mark.parametrize(
    ("spec", "field", "why"),
    [
        (
            {},
            "spec.resourceAttributes",
            'Invalid value: "null": exactly one of nonResourceAttributes or resourceAttributes must',
        ),
        (
            {"resourceAttributes": {}, "nonResourceAttributes": {"path": "/x"}},
            "spec.nonResourceAttributes",
            "cannot be specified in combination with resourceAttributes",
        ),
        (
            {"resourceAttributes": {"labelSelector": {}}},
            "spec.resourceAttributes.labelSelector.requirements",
            "Required value: when spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is required",
        ),
        (
            {"resourceAttributes": {"fieldSelector": {"requirements": [{"key": "a", "operator": "In"}]}}},
            "spec.resourceAttributes.fieldSelector.requirements[0].values",
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
    ],
)
async def test_a_review_asks_exactly_one_question(spec: Json, field: str, why: str) -> None:
    error = await refusal("selfsubjectaccessreviews", spec)
    assert (error.code, error.body["details"]["causes"][0]["field"]) == (422, field)
    assert why in error.message
    assert error.message.startswith('.authorization.k8s.io "" is invalid: ')


async def test_a_subject_review_names_somebody_and_has_no_name_itself() -> None:
    error = await refusal("subjectaccessreviews", {"resourceAttributes": PODS}, name="x")
    fields = [cause["field"] for cause in error.body["details"]["causes"]]
    assert fields == ["spec.user", "metadata"]


async def test_a_local_review_stays_in_its_namespace() -> None:
    local = "localsubjectaccessreviews"
    spec = {"user": "bob", "resourceAttributes": PODS}
    assert await ask(local, spec, namespace="ns") == {"allowed": False}
    assert "must match metadata.namespace" in (await refusal(local, spec, namespace="other")).message
    paths = {"user": "bob", "nonResourceAttributes": {"path": "/api"}}
    assert "disallowed on this kind of request" in (await refusal(local, paths, namespace="ns")).message


async def test_a_rules_review_lists_what_is_allowed_in_a_namespace() -> None:
    status = await ask("selfsubjectrulesreviews", {"namespace": "ns"}, user=ADMIN)
    assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in status["resourceRules"]
    assert status["incomplete"] is False
    assert (await refusal("selfsubjectrulesreviews", {})).code == 400


async def test_a_subject_review_of_oneself_tells_all_that_is_known() -> None:
    status = await ask("selfsubjectreviews", None, group="authentication.k8s.io")
    assert status["userInfo"] == {
        "username": "jane",
        "uid": "7",
        "groups": ["team", AUTHENTICATED],
        "extra": {"x": ["y"]},
    }


async def test_a_selector_that_no_authoriser_understands_is_told() -> None:
    wrong = {**PODS, "labelSelector": {"requirements": [{"key": "a", "operator": "Near"}]}}
    status = await ask("selfsubjectaccessreviews", {"resourceAttributes": wrong})
    assert status["evaluationError"] == "spec.resourceAttributes.labelSelector ignored due to parse error"


def test_a_review_is_declared_once() -> None:
    review = REVIEWS.get(ACCESS, "v1", "subjectaccessreviews", "")
    assert review is not None
    with pytest.raises(ValueError, match="declared twice"):
        Reviews([review, review])
