"""Admitting: both phases of admission for one write, in-tree plugins and dynamic admission. Called by the registry's verbs.

    plugins ─► webhooks ─┬─ nothing changed ─────────────────────────────────────────────► the kind's validation ─► …
                         └─ changed ─► plugins again ─► webhooks that want to see it again ─┘
    … ─► policies and validating webhooks ─► validating plugins (quota last)

A `Form` tells how dynamic admission sees an object (as clients send it, without what only the server sets) and how a
changed view becomes an object again.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from master.api.admission.chain import AdmissionChain
from master.api.admission.dynamic.admission import DynamicAdmission, DynamicRun
from master.api.admission.protocol import AdmissionRequest
from master.api.kinds.kind import Kind
from master.api.registry.metadata import check_namespace
from master.api.registry.strategies.strategy import Strategy
from master.api.registry.write_options import WriteOptions
from master.client.protocol import DeleteOptions, Json

_META = "meta.k8s.io/v1"
#: What the server sets when a creation was admitted; generated names too.
_SET_LATER = ("uid", "creationTimestamp", "generation")
Normalize = Callable[[str, Json], Json]


class Form(Protocol):
    def request(self, request: AdmissionRequest) -> AdmissionRequest:
        """The operation as dynamic admission sees it."""
        ...

    def see(self, obj: Json) -> Json:
        """The object as a webhook sees it. Does not change it."""
        ...

    def take(self, view: Json) -> Json:
        """The object of a changed view, defaulted. Raises StatusError."""
        ...


class AsItIs:
    """What is not stored: a TokenRequest, an Eviction, the options of a connection."""

    def request(self, request: AdmissionRequest) -> AdmissionRequest:
        return request

    def see(self, obj: Json) -> Json:
        return obj

    def take(self, view: Json) -> Json:
        return view


class NewObject:
    """A creation. `made`: the complete object; `generated`: its name was made by the server and is not shown."""

    def __init__(self, kind: Kind, namespace: str, made: Json, normalize: Normalize, *, generated: bool) -> None:
        self._kind = kind
        self._namespace = namespace
        self._kept = {
            field: made["metadata"][field] for field in ("uid", "creationTimestamp", "name") if field in made["metadata"]
        }
        self._hidden = (*_SET_LATER, "name") if generated else _SET_LATER
        self._generated = generated
        self._normalize = normalize

    def request(self, request: AdmissionRequest) -> AdmissionRequest:
        return replace(request, name="") if self._generated else request

    def see(self, obj: Json) -> Json:
        metadata = {field: value for field, value in obj["metadata"].items() if field not in self._hidden}
        if self._generated and obj["metadata"].get("name") != self._kept.get("name"):
            metadata["name"] = obj["metadata"]["name"]  # a webhook chose it
        return {**obj, "metadata": metadata}

    def take(self, view: Json) -> Json:
        kind = self._kind
        obj = copy.deepcopy(self._normalize(kind.definition, view))
        metadata = obj.setdefault("metadata", {})
        check_namespace(kind, self._namespace, metadata)
        name = metadata.get("name")
        metadata.update(self._kept)
        if name:
            metadata["name"] = name
        if kind.namespaced:
            metadata["namespace"] = self._namespace
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        kind.prepare_for_create(obj)
        kind.default(obj)
        return obj


class ChangedObject:
    """An update of an object or of its subresource."""

    def __init__(self, kind: Kind, strategy: Strategy, old: Json, normalize: Normalize) -> None:
        self._kind = kind
        self._strategy = strategy
        self._old = old
        self._normalize = normalize

    def request(self, request: AdmissionRequest) -> AdmissionRequest:
        return replace(request, old=self._strategy.view(self._kind, self._old))

    def see(self, obj: Json) -> Json:
        return self._strategy.view(self._kind, obj)

    def take(self, view: Json) -> Json:
        obj = self._strategy.merge(self._kind, self._old, self._normalize(self._strategy.definition(self._kind), view))
        owners = (view.get("metadata") or {}).get("managedFields")
        if owners:
            obj["metadata"]["managedFields"] = owners
        return obj


class SentBody(ChangedObject):
    """A body that is not the object's own form and has no view: a Binding."""

    def __init__(self, kind: Kind, strategy: Strategy, old: Json, normalize: Normalize, body: Json) -> None:
        super().__init__(kind, strategy, old, normalize)
        self._body = body

    def request(self, request: AdmissionRequest) -> AdmissionRequest:
        return replace(request, operation="CREATE", old=None)

    def see(self, obj: Json) -> Json:
        return self._body

    def take(self, view: Json) -> Json:
        self._body = view
        return super().take(view)


@dataclass(frozen=True, slots=True)
class Seen:
    """A write that dynamic admission sees."""

    run: DynamicRun
    form: Form


class Admitting:
    """`plugins` and `dynamic` as one."""

    def __init__(self, plugins: AdmissionChain, dynamic: DynamicAdmission) -> None:
        self._plugins = plugins
        self._dynamic = dynamic

    async def mutate(
        self, request: AdmissionRequest, obj: Json, form: Callable[[], Form], options: Callable[[], Json | None]
    ) -> tuple[Json, Seen | None]:
        """The object as it is to go on (the same, changed in place, unless a webhook changed it), and what `validate` needs.

        `form` and `options` (of the operation, as JSON) are asked for when somebody wants to see the write.
        Raises StatusError.
        """
        await self._plugins.admit(request, obj)
        if not self._dynamic.concerns(request):
            return obj, None
        shape = form()
        run = self._dynamic.begin(shape.request(request), options())

        async def refine(view: Json) -> Json:
            return shape.see(shape.take(view))

        for _ in range(2):
            view = await run.mutate(shape.see(obj), refine)
            if view is None:
                break
            obj = shape.take(view)
            await self._plugins.admit(request, obj)
        return obj, Seen(run, shape)

    async def validate(self, request: AdmissionRequest, obj: Json, seen: Seen | None) -> None:
        """Raises StatusError of whoever refuses."""
        if seen is not None:
            await seen.run.validate(seen.form.see(obj))
        await self._plugins.validate(request, obj)

    async def delete(self, request: AdmissionRequest, obj: Json, options: DeleteOptions) -> None:
        """Both phases of a deletion, which cannot change the object. Raises StatusError."""
        await self._plugins.admit(request, obj)
        if self._dynamic.concerns(request):
            run = self._dynamic.begin(request, _delete_options(options))
            await run.mutate(None, _unchanged)
            await run.validate(None)
        await self._plugins.validate(request, obj)


async def _unchanged(view: Json) -> Json:
    return view


def write_options(kind: str, options: WriteOptions) -> Json:
    """CreateOptions or UpdateOptions."""
    shown: Json = {"kind": kind, "apiVersion": _META}
    if options.dry_run:
        shown["dryRun"] = ["All"]
    if options.field_manager:
        shown["fieldManager"] = options.field_manager
    return shown


def _delete_options(options: DeleteOptions) -> Json:
    """DeleteOptions."""
    shown: Json = {"kind": "DeleteOptions", "apiVersion": _META}
    preconditions = {"uid": options.uid, "resourceVersion": options.resource_version}
    found = {
        "gracePeriodSeconds": options.grace_period_seconds,
        "propagationPolicy": options.propagation_policy,
        "preconditions": {key: value for key, value in preconditions.items() if value} or None,
        "dryRun": ["All"] if options.dry_run else None,
    }
    return {**shown, **{key: value for key, value in found.items() if value is not None}}
