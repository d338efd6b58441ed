"""Keeps metadata.managedFields through the verbs, and makes the object of a server-side apply. Called by `Registry`.

Knows kinds, their versions and subresources; the rules themselves are in `master.api.apply`.
"""

from collections.abc import Callable
from typing import Any

from master.api.apply import field_manager
from master.api.apply.field_manager import Writer
from master.api.apply.field_sets import EMPTY, FieldSet, field_paths, of
from master.api.apply.managed_fields import InvalidManagedFields, Owners, sent_owners, stored_owners
from master.api.apply.path_elements import Path
from master.api.apply.scale import SCALE_VERSION, to_parent, to_scale
from master.api.apply.updater import Target
from master.api.kinds.kind import Kind
from master.api.kinds.registry import Kinds
from master.api.registry.metadata import timestamp
from master.api.registry.reset_fields import reset_fields
from master.api.registry.strategies.strategy import Strategy
from master.api.registry.write_options import Warn, WriteOptions
from master.api.schema.merge_types import MergeType, MergeTypes
from master.client.protocol import Json

#: The manager of what controllers, scheduler and fleet write: they are one program.
MASTER_MANAGER = "wherry-master"

#: Subresources whose writes are not followed: binding gives a pod its node as the store does in Kubernetes.
_NOT_FOLLOWED = frozenset({"binding"})
_REPLICAS = field_paths("spec", "replicas")


class FieldOwnership:
    def __init__(self, kinds: Kinds, types: MergeTypes) -> None:
        self._kinds = kinds
        self._types = types

    def created(self, kind: Kind, obj: Json, sent: Any, options: WriteOptions) -> None:
        """Give a new object's fields to who creates it. `sent`: the managedFields of the body."""
        _set(obj, field_manager.updated(self._target(kind, ""), {}, obj, sent=sent, writer=_writer(options)))

    def updated(self, kind: Kind, subresource: str, old: Json, obj: Json, sent: Any, options: WriteOptions) -> None:
        """Give what an update changed to who wrote it. `obj` has no managedFields yet."""
        if subresource in _NOT_FOLLOWED:
            return
        writer = _writer(options, subresource)
        target = self._target(kind, subresource)
        _set(obj, field_manager.updated(target, old, obj, sent=sent, writer=writer))

    def scaled(self, kind: Kind, strategy: Strategy, old: Json, obj: Json, options: WriteOptions) -> None:
        """The same for a write of the scale: its fields are followed as the Scale's."""
        owners = _owners(old)
        if not owners:
            return
        target = self._scale_target(strategy, kind)
        before, after = strategy.view(kind, old), strategy.view(kind, obj)
        before["metadata"]["managedFields"] = to_scale(owners, _replicas_path(kind))
        writer = _writer(options, "scale")
        entries = field_manager.updated(target, before, after, sent=None, writer=writer)
        self._set_from_scale(kind, old, obj, entries)

    def applied(
        self, kind: Kind, strategy: Strategy, subresource: str, live: Json | None, config: Json, options: WriteOptions
    ) -> tuple[Json, Any]:
        """What an apply makes of the object (or its Scale), without managedFields, and its managedFields.

        Raises StatusError: 400 for a config that does not fit, 409 with the conflicts.
        """
        writer = _writer(options, subresource)
        if subresource != "scale" or live is None:
            target = self._target(kind, subresource)
            return field_manager.applied(target, live, config, writer=writer, force=options.force)
        view = strategy.view(kind, live)
        view["metadata"]["managedFields"] = to_scale(_owners(live), _replicas_path(kind)) or None
        target = self._scale_target(strategy, kind)
        return field_manager.applied(target, view, config, writer=writer, force=options.force)

    def set_applied(self, kind: Kind, subresource: str, old: Json, obj: Json, entries: Any) -> None:
        """Put the managedFields of an apply into the object that it made."""
        if subresource == "scale":
            self._set_from_scale(kind, old, obj, entries)
        else:
            _set(obj, entries)

    def admitted(self, obj: Json, before: Any, warn: Warn) -> None:
        """Undo what admission did to managedFields if it left them in a state that nobody can read."""
        entries = obj["metadata"].get("managedFields")
        if entries is before:
            return
        try:
            sent_owners(entries)
        except InvalidManagedFields as error:
            _set(obj, before)
            warn(
                ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated "
                f"mutating admission controller; please fix your requests: {error}"
            )

    def _set_from_scale(self, kind: Kind, old: Json, obj: Json, entries: Any) -> None:
        before = old["metadata"].get("managedFields")
        found = to_parent(_owners(old), stored_owners(entries), kind.api_version, _replicas_path(kind))
        _set(obj, before if found == before else found)

    def _target(self, kind: Kind, subresource: str) -> Target:
        return Target(
            kind.api_version,
            self._types.merge_type(kind.definition),
            _KindVersions(self._kinds, self._types, kind, subresource),
            evolving=kind.is_custom,
        )

    def _scale_target(self, strategy: Strategy, kind: Kind) -> Target:
        return Target(SCALE_VERSION, self._types.merge_type(strategy.definition(kind)), _OneVersion())


class _KindVersions:
    """The versions of a kind that are stored as one. Implements `master.api.apply.updater.Versions`."""

    def __init__(self, kinds: Kinds, types: MergeTypes, kind: Kind, subresource: str) -> None:
        self._kinds = kinds
        self._types = types
        self._kind = kind
        self._subresource = subresource

    def merge_type(self, api_version: str) -> MergeType | None:
        kind = self._version(api_version)
        return None if kind is None else self._types.merge_type(kind.definition)

    def convert(self, obj: Any, api_version: str) -> Any:
        kind = self._version(api_version)
        return obj if kind is None or not obj else kind.from_stored(self._kind.to_stored(obj))

    def back(self, obj: Any, api_version: str) -> Any:
        kind = self._version(api_version)
        return obj if kind is None or not obj else self._kind.from_stored(kind.to_stored(obj))

    def reset_fields(self, api_version: str) -> FieldSet:
        kind = self._kind if api_version == self._kind.api_version else self._version(api_version)
        if kind is None:
            return EMPTY
        root = self._types.merge_type(kind.definition).map
        if kind.is_custom and self._subresource == "status" and root is not None:
            # A custom resource's status is all that can be written there.
            return of(*(field_paths(name) for name in root.fields if name != "status"))
        return reset_fields(kind, self._subresource)

    def _version(self, api_version: str) -> Kind | None:
        storage = self._kind.storage
        for kind in self._kinds:
            if kind.api_version == api_version and (kind.storage.group, kind.storage.plural) == (
                storage.group,
                storage.plural,
            ):
                return kind
        return None


class _OneVersion:
    """The Scale: there is one version of it."""

    def merge_type(self, api_version: str) -> MergeType | None:
        return None

    def convert(self, obj: Any, api_version: str) -> Any:
        return obj

    def back(self, obj: Any, api_version: str) -> Any:
        return obj

    def reset_fields(self, api_version: str) -> FieldSet:
        return EMPTY


def _replicas_path(kind: Kind) -> Callable[[str], Path | None]:
    """Where the replicas of a kind are that its Scale sets, by apiVersion."""
    path = field_paths(*kind.scale.spec_replicas) if kind.scale is not None else _REPLICAS
    return lambda api_version: path


def _owners(obj: Json) -> Owners:
    try:
        return stored_owners(obj["metadata"].get("managedFields"))
    except InvalidManagedFields:
        return {}


def _writer(options: WriteOptions, subresource: str = "") -> Writer:
    return Writer(manager=options.field_manager or MASTER_MANAGER, now=timestamp(), subresource=subresource)


def _set(obj: Json, entries: Any) -> None:
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)
