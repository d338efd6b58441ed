"""TokenReview: whose is this token? Asked by API extensions and other servers that are shown one.

Source: Kubernetes' pkg/registry/authentication/tokenreview.
"""

from master.api.auth.protocol import TokenRefused
from master.api.auth.reviews.review import Review, ReviewRequest, review_kind
from master.api.auth.reviews.self_subject_review import user_info
from master.client.errors import bad_request
from master.client.protocol import Json


async def _respond(request: ReviewRequest) -> Json:
    spec = request.body.get("spec") or {}
    token = spec.get("token") or ""
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    return {**request.body, "status": await _status(request, token, list(spec.get("audiences") or ()))}


async def _status(request: ReviewRequest, token: str, audiences: list[str]) -> Json:
    try:
        found = await request.context.authentication.review(token, audiences)
    except TokenRefused as error:
        return {"user": {}, "error": f"[invalid bearer token, {error}]"}
    if found is None:
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": user_info(found.user), "audiences": list(found.audiences)}


REVIEW = Review(kind=review_kind("authentication.k8s.io", "TokenReview"), respond=_respond)
