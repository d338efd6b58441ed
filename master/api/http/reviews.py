"""Serves the reviews: one create each, checked by the review's schema as any object is. Called by `ApiServer`."""

from aiohttp import web

from master.api.audit.current import request_object
from master.api.auth.protocol import UserInfo
from master.api.auth.reviews.registry import Reviews
from master.api.auth.reviews.review import ReviewContext, ReviewRequest
from master.api.http import bodies
from master.api.http.field_validation import FieldValidation
from master.api.http.negotiation import accepted
from master.api.http.request_info import RequestInfo
from master.api.http.resources import check_type, dry_run_of, method_not_allowed, page_not_found
from master.api.http.responses import encoded
from master.api.http.warnings import recorder
from master.api.registry.metadata import check_namespace
from master.api.registry.storage import encode
from master.api.schema.schemas import Schemas
from master.api.settings import ApiSettings


class ReviewResponder:
    def __init__(self, settings: ApiSettings, schemas: Schemas, reviews: Reviews, context: ReviewContext) -> None:
        self._settings = settings
        self._schemas = schemas
        self._reviews = reviews
        self._context = context

    def serves(self, info: RequestInfo) -> bool:
        return self._reviews.get(info.group, info.version, info.resource, info.subresource) is not None

    async def respond(self, request: web.Request, info: RequestInfo, user: UserInfo) -> web.Response:
        """Raises StatusError."""
        review = self._reviews.get(info.group, info.version, info.resource, info.subresource)
        assert review is not None, "asked only for what it serves"
        kind = review.kind
        if info.rest or (bool(info.name) and review.subresource_of is None) or kind.namespaced != bool(info.namespace):
            raise page_not_found() if info.verb == "create" else method_not_allowed()
        if info.verb != "create":
            raise method_not_allowed()
        wanted = accepted(request.headers.get("Accept", ""))
        dry = dry_run_of(request)
        media_type = bodies.content_type(request)
        if not bodies.is_accepted(media_type):
            raise bodies.unsupported(*bodies.ACCEPTED)
        settings = self._settings
        raw = await bodies.read(request, limit=settings.max_body_bytes, seconds=settings.body_timeout_seconds)
        decoded = await bodies.decode_sent(raw, media_type, user)
        check_type(decoded.value, kind.api_version, kind.kind)
        check = FieldValidation.of(request, self._schemas, kind=kind.kind, version=kind.version, duplicates=decoded.duplicates)
        request_object(decoded.value)
        body = check.check(kind.definition, decoded.value)
        metadata = body.setdefault("metadata", {})
        check_namespace(kind, info.namespace, metadata)
        if kind.namespaced:
            metadata["namespace"] = info.namespace
        answer = await review.respond(
            ReviewRequest(
                user=user,
                namespace=info.namespace,
                name=info.name,
                body=body,
                dry_run=dry,
                context=self._context,
                warn=recorder(request).add,
            )
        )
        return await encoded(request, encode(answer), code=201, as_yaml=wanted.yaml, warnings=check.warnings)
