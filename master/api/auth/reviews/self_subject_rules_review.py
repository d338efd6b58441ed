"""SelfSubjectRulesReview: all that I may in a namespace (`kubectl auth can-i --list`)."""

from master.api.auth.reviews import access
from master.api.auth.reviews.review import Review, ReviewRequest, review_kind
from master.client.errors import bad_request
from master.client.protocol import Json


async def _respond(request: ReviewRequest) -> Json:
    namespace = (request.body.get("spec") or {}).get("namespace") or ""
    if not namespace:
        raise bad_request("no namespace on request")
    rules = request.context.authorization.rules_for(request.user, namespace)
    status: Json = {
        "resourceRules": rules.resource,
        "nonResourceRules": rules.non_resource,
        "incomplete": rules.incomplete,
    }
    if rules.errors:
        status["evaluationError"] = ", ".join(rules.errors)
    return {**request.body, "spec": {}, "status": status}


REVIEW = Review(kind=review_kind(access.GROUP, "SelfSubjectRulesReview"), respond=_respond)
