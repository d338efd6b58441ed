"""SelfSubjectAccessReview: may I? (`kubectl auth can-i`)"""

from master.api.auth.reviews import access
from master.api.auth.reviews.review import Review, ReviewRequest, review_kind
from master.client.protocol import Json


async def _respond(request: ReviewRequest) -> Json:
    body = request.body
    spec = body.get("spec") or {}
    access.refuse([*access.validate_attributes(spec), *access.validate_metadata(body["metadata"], "must be empty")])
    return {**body, "spec": spec, "status": access.status(request.context.authorization, request.user, spec)}


REVIEW = Review(kind=review_kind(access.GROUP, "SelfSubjectAccessReview"), respond=_respond)
