"""One call of one webhook: dry run, review, answer, warnings, audit annotations. Called by `dispatch`."""

import logging
import uuid
from dataclasses import replace
from typing import Any

from master.api.admission.dynamic.attributes import Attributes
from master.api.admission.dynamic.equivalents import EquivalentKinds
from master.api.admission.dynamic.webhooks.hook import Hook
from master.api.admission.dynamic.webhooks.review import Answer, BadAnswer, answer_of, refusal, review_of
from master.api.audit.current import annotate
from master.api.webhook.client import CallFailed, WebhookClient
from master.client.errors import StatusError, bad_request
from master.client.protocol import ResourceRef

_log = logging.getLogger(__name__)


class Unanswered(Exception):
    """The call failed; whether the write fails too is the webhook's failurePolicy."""


class Caller:
    """Calls hooks through the shared HTTP client."""

    def __init__(self, client: WebhookClient, equivalents: EquivalentKinds) -> None:
        self._client = client
        self._equivalents = equivalents

    async def call(self, hook: Hook, attributes: Attributes, resource: ResourceRef, *, mutating: bool) -> Answer:
        """The answer of a webhook that allows. `resource`: in which version it sees the objects.

        Raises StatusError when it refuses, Unanswered when it could not be asked.
        """
        if attributes.dry_run and not hook.dry_runs:
            raise bad_request(f'admission webhook "{hook.name}" does not support dry run')
        if not hook.review_version:
            why = "webhook does not accept known AdmissionReview versions (v1, v1beta1)"
            raise Unanswered(f"could not create admission objects: {why}")
        uid = str(uuid.uuid4())
        kind = self._equivalents.kind_for(attributes, resource)
        body = review_of(uid, hook.review_version, attributes, kind=kind, resource=resource)
        try:
            answered = await self._client.post(hook.client, body, seconds=hook.seconds)
        except CallFailed as error:
            raise Unanswered(f"failed to call webhook: {error}") from error
        try:
            answer = answer_of(uid, hook.review_version, answered, mutating=mutating)
        except BadAnswer as error:
            raise Unanswered(f"received invalid webhook response: {error}") from error
        for key, value in answer.annotations.items():
            annotate(f"{hook.name}/{key}", value)
        for warning in answer.warnings:
            attributes.warn(warning)
        if not answer.allowed:
            raise refusal(hook.name, answer.status)
        return answer

    async def shown(self, attributes: Attributes, resource: ResourceRef) -> Attributes:
        """The operation with its objects in the version of a resource."""
        if resource == attributes.resource:
            return attributes
        obj = await self._equivalents.converted(attributes, resource, attributes.object)
        old = await self._equivalents.converted(attributes, resource, attributes.old)
        return replace(attributes, object=obj, old=old)


def settle(hook: Hook, error: Unanswered, failed_open: str) -> None:
    """Let the write pass a webhook that could not be asked, or raise StatusError 500. `failed_open`: the annotation's key."""
    text = f'failed calling webhook "{hook.name}": {error}'
    facts: dict[str, Any] = {"webhook": hook.name, "configuration": hook.configuration, "error": str(error)}
    if hook.fails_open:
        _log.warning("failed calling webhook, failing open", extra=facts)
        annotate(failed_open, hook.name)
        return
    _log.warning("failed calling webhook, failing closed", extra=facts)
    raise StatusError(500, "InternalError", f"Internal error occurred: {text}", details={"causes": [{"message": text}]})
