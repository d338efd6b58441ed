"""Binding: the old way to give a pod its node, `POST …/namespaces/NS/bindings`; it does what pods/NAME/binding does.

No review, but like one: it is only created and never stored. The pod is the one that its metadata names.
Source: pkg/registry/core/pod/storage of Kubernetes (LegacyBindingREST).
"""

from master.api.auth.reviews.review import Review, ReviewRequest
from master.api.kinds.kind import Kind
from master.api.kinds.rules.names import path_segment
from master.api.registry.write_options import WriteOptions
from master.client.errors import bad_request
from master.client.protocol import Json, ResourceRef

_BINDINGS = ResourceRef("", "v1", "bindings")


async def _respond(request: ReviewRequest) -> Json:
    name, context = request.body["metadata"].get("name") or "", request.context
    if not name:
        raise bad_request("Name parameter required.")
    if wrong := path_segment(name):
        raise bad_request(f'Name parameter invalid: "{name}": {"; ".join(wrong)}')
    options = WriteOptions(user=request.user, dry_run=request.dry_run, warn=request.warn)
    # Webhooks and policies may be about `bindings`; those about pods/binding are asked when the pod is written.
    await context.admit(_BINDINGS, request.namespace, name, request.body, options, subresource="")
    return await context.bind(request.namespace, name, request.body, options)


REVIEW = Review(
    kind=Kind(
        group="",
        version="v1",
        kind="Binding",
        plural="bindings",
        singular="binding",
        definition="io.k8s.api.core.v1.Binding",
        verbs=("create",),
    ),
    respond=_respond,
)
