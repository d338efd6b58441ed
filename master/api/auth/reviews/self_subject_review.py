"""SelfSubjectReview: who am I? (`kubectl auth whoami`) Answered for whom one acts, after impersonation."""

from datetime import UTC, datetime

from master.api.auth.protocol import UserInfo
from master.api.auth.reviews.review import Review, ReviewRequest, review_kind
from master.client.protocol import Json


async def _respond(request: ReviewRequest) -> Json:
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {**request.body["metadata"], "creationTimestamp": created}
    return {**request.body, "metadata": metadata, "status": {"userInfo": user_info(request.user)}}


def user_info(user: UserInfo) -> Json:
    """authentication.k8s.io/v1 UserInfo."""
    info: Json = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


REVIEW = Review(kind=review_kind("authentication.k8s.io", "SelfSubjectReview"), respond=_respond)
