"""LocalSubjectAccessReview: may somebody else, in one namespace? Whoever administers that namespace may ask."""

from master.api.auth.reviews import access
from master.api.auth.reviews.review import Review, ReviewRequest, review_kind
from master.api.kinds.rules import field_errors as errors
from master.client.protocol import Json


async def _respond(request: ReviewRequest) -> Json:
    body = request.body
    spec = body.get("spec") or {}
    causes = [
        *access.validate_attributes(spec),
        *access.validate_subject(spec),
        *access.validate_metadata(body["metadata"], "must be empty except for namespace", allowed=("namespace",)),
    ]
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and (resource.get("namespace") or "") != request.namespace:
        asked = resource.get("namespace") or ""
        causes.append(errors.invalid("spec.resourceAttributes.namespace", asked, "must match metadata.namespace"))
    if other is not None:
        shown = access.go_fields(other)
        causes.append(errors.invalid("spec.nonResourceAttributes", shown, "disallowed on this kind of request"))
    access.refuse(causes)
    return {**body, "spec": spec, "status": access.status(request.context.authorization, access.subject(spec), spec)}


REVIEW = Review(kind=review_kind(access.GROUP, "LocalSubjectAccessReview", namespaced=True), respond=_respond)
