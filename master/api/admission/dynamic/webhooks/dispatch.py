"""The two phases of webhooks: mutating ones in order, each seeing what the one before made; validating ones all at once.

A mutating webhook that asks for it (reinvocationPolicy IfNeeded) is called once more when something changed the object after
it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import orjson

from master.api.admission.dynamic.attributes import Attributes
from master.api.admission.dynamic.context import Context
from master.api.admission.dynamic.equivalents import EquivalentKinds
from master.api.admission.dynamic.match_conditions import ConditionsFailed
from master.api.admission.dynamic.webhooks.call import Caller, Unanswered, settle
from master.api.admission.dynamic.webhooks.hook import Hook
from master.api.admission.dynamic.webhooks.metrics import WebhookMetrics
from master.api.audit.current import annotate
from master.api.audit.event import PATCH_PREFIX
from master.api.patch.json_patch import apply_json_patch
from master.client.errors import StatusError, forbidden
from master.client.protocol import Json, ResourceRef

_MUTATION_PREFIX = "mutation.webhook.admission.k8s.io/"
_FAILED_OPEN_MUTATING = f"failed-open.{_MUTATION_PREFIX}"
_FAILED_OPEN_VALIDATING = "failed-open.validating.webhook.admission.k8s.io/"

#: Gives an object that a webhook patched in its proper form, with defaults. Raises StatusError.
Refine = Callable[[Json], Awaitable[Json]]


class Matcher:
    """Whether a hook is to be called."""

    def __init__(self, context: Context, equivalents: EquivalentKinds, caller: Caller) -> None:
        self._context = context
        self._equivalents = equivalents
        self._caller = caller

    async def match(self, hook: Hook, attributes: Attributes) -> ResourceRef | None:
        """The resource in whose version it sees the object, or None. Raises StatusError."""
        resource = hook.criteria.match(attributes, self._context, self._equivalents)
        if resource is None or hook.conditions is None:
            return resource
        shown = await self._caller.shown(attributes, resource)
        try:
            return resource if await hook.conditions.match(shown, self._context) else None
        except ConditionsFailed as error:
            raise _forbidden(attributes, str(error)) from error


class MutatingRun:
    """The mutating webhooks of one write; `run` at most twice."""

    def __init__(self, hooks: Sequence[Hook], matcher: Matcher, caller: Caller, equivalents: EquivalentKinds,
                 metrics: WebhookMetrics) -> None:  # fmt: skip
        self._hooks = hooks
        self._matcher = matcher
        self._caller = caller
        self._equivalents = equivalents
        self._metrics = metrics
        self._round = 0
        self._last: Json | None = None
        #: Those that want to be called again if something changes, and those for which something has.
        self._invoked: set[str] = set()
        self._again: set[str] = set()

    async def run(self, attributes: Attributes, refine: Refine) -> Json | None:
        """The object as the webhooks made it, or None when they left it as it was. Raises StatusError."""
        if self._round and self._last != attributes.object:
            self._something_changed()
        changed = False
        for index, hook in enumerate(self._hooks):
            if self._round and hook.key not in self._again:
                continue
            resource = await self._matcher.match(hook, attributes)
            if resource is None:
                continue
            patched = await self._call(hook, index, attributes, resource, refine)
            if patched is not None:
                attributes = attributes.with_object(patched)
                changed = True
                self._something_changed()
            if hook.reinvoked:
                self._invoked.add(hook.key)
        self._round += 1
        self._last = attributes.object
        return attributes.object if changed else None

    def _something_changed(self) -> None:
        self._again |= self._invoked
        self._invoked.clear()

    async def _call(
        self, hook: Hook, index: int, attributes: Attributes, resource: ResourceRef, refine: Refine
    ) -> Json | None:
        """The changed object, or None."""
        place = f"round_{self._round}_index_{index}"
        patched: Json | None = None
        try:
            shown = await self._caller.shown(attributes, resource)
            with self._metrics.timed(hook.name, "admit", attributes.operation):
                answer = await self._caller.call(hook, shown, resource, mutating=True)
            if answer.patch is not None:
                patched = await self._patched(hook, shown, attributes, resource, answer.patch, refine)
                changes = {
                    "configuration": hook.configuration,
                    "webhook": hook.name,
                    "patch": answer.patch,
                    "patchType": "JSONPatch",
                }
                annotate(f"{PATCH_PREFIX}{place}", orjson.dumps(changes).decode())
        except Unanswered as error:
            settle(hook, error, f"{_FAILED_OPEN_MUTATING}{place}")
        finally:
            mutation = {"configuration": hook.configuration, "webhook": hook.name, "mutated": patched is not None}
            annotate(f"{_MUTATION_PREFIX}{place}", orjson.dumps(mutation).decode())
        return patched

    async def _patched(
        self,
        hook: Hook,
        shown: Attributes,
        attributes: Attributes,
        resource: ResourceRef,
        patch: Sequence[object],
        refine: Refine,
    ) -> Json | None:
        if shown.object is None:
            raise _internal(
                f'admission webhook "{hook.name}" attempted to modify the object, which is not supported for this operation'
            )
        try:
            patched = apply_json_patch(shown.object, list(patch))
        except StatusError as error:
            raise _internal(error.message) from error
        if not isinstance(patched, dict):
            raise _internal(f'the patch of admission webhook "{hook.name}" leaves no object')
        own = await self._equivalents.back(attributes, resource, patched)
        refined = await refine(own)
        return None if refined == attributes.object else refined


async def validate(
    hooks: Sequence[Hook], attributes: Attributes, matcher: Matcher, caller: Caller, metrics: WebhookMetrics
) -> None:
    """Ask all validating webhooks that match, at once; the first that refuses, in their order, decides. Raises StatusError."""
    matching = [(hook, resource) for hook in hooks if (resource := await matcher.match(hook, attributes)) is not None]
    if not matching:
        return
    refusals: list[StatusError | None] = [None] * len(matching)

    async def ask(index: int, hook: Hook, resource: ResourceRef) -> None:
        try:
            shown = await caller.shown(attributes, resource)
            with metrics.timed(hook.name, "validating", attributes.operation):
                await caller.call(hook, shown, resource, mutating=False)
        except Unanswered as error:
            try:
                settle(hook, error, f"{_FAILED_OPEN_VALIDATING}round_0_index_{index}")
            except StatusError as refused:
                refusals[index] = refused
        except StatusError as error:
            refusals[index] = error

    if len(matching) == 1:
        await ask(0, *matching[0])
    else:
        async with asyncio.TaskGroup() as tasks:
            for index, (hook, resource) in enumerate(matching):
                tasks.create_task(ask(index, hook, resource))
    for refused in refusals:
        if refused is not None:
            raise refused


def _internal(text: str) -> StatusError:
    return StatusError(500, "InternalError", f"Internal error occurred: {text}", details={"causes": [{"message": text}]})


def _forbidden(attributes: Attributes, why: str) -> StatusError:
    return forbidden(attributes.resource.plural, attributes.resource.group, attributes.name, why)
