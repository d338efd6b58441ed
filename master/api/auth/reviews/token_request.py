"""TokenRequest: a token for a service account (`kubectl create token`), a subresource of serviceaccounts.

How it is made: `master.api.auth.service_account.token_requests`.
"""

from dataclasses import replace

from master.api.auth.reviews.review import Review, ReviewRequest, review_kind
from master.api.registry.write_options import WriteOptions
from master.client.errors import StatusError
from master.client.protocol import Json, ResourceRef

_ACCOUNTS = ResourceRef("", "v1", "serviceaccounts")


async def _respond(request: ReviewRequest) -> Json:
    tokens, namespace, name = request.context.tokens, request.namespace, request.name
    if tokens is None:
        raise StatusError(404, "NotFound", "the server could not find the requested resource", details={})
    asked, account = await tokens.prepare(namespace, name, request.body)
    options = WriteOptions(user=request.user, dry_run=request.dry_run, warn=request.warn)
    await request.context.admit(_ACCOUNTS, namespace, name, asked, options, subresource="token")
    if request.dry_run:
        return asked
    answer, warnings = await tokens.issue(account, asked)
    for warning in warnings:
        request.warn(warning)
    return answer


REVIEW = Review(
    kind=replace(review_kind("authentication.k8s.io", "TokenRequest", namespaced=True), plural="token", singular="token"),
    respond=_respond,
    subresource_of=("", "v1", "serviceaccounts"),
)
