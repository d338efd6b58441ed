"""SubjectAccessReview: may somebody else? Who may ask is a matter of RBAC (system:auth-delegator)."""

from master.api.auth.reviews import access
from master.api.auth.reviews.review import Review, ReviewRequest, review_kind
from master.client.protocol import Json


async def _respond(request: ReviewRequest) -> Json:
    body = request.body
    spec = body.get("spec") or {}
    access.check(spec, body["metadata"])
    return {**body, "spec": spec, "status": access.status(request.context.authorization, access.subject(spec), spec)}


REVIEW = Review(kind=review_kind(access.GROUP, "SubjectAccessReview"), respond=_respond)
