"""Who owns which field after a write, and the object that an apply makes. Called by the registry for every write.

    update, patch, create ─► updated()   what changed belongs to who wrote it
    apply                 ─► applied()   merged object and owners, or 409 with the conflicts

Source: k8s.io/apimachinery pkg/util/managedfields/internal (fieldmanager, stripmeta, managedfieldsupdater, buildmanagerinfo,
capmanagers, skipnonapplied, lastappliedmanager, lastappliedupdater), in that order from the inside out.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from master.api.apply import last_applied, updater
from master.api.apply.cap import capped
from master.api.apply.conflicts import Conflicts
from master.api.apply.field_sets import EMPTY, FieldSet, difference, field_paths, of, union
from master.api.apply.managed_fields import (
    APPLY,
    UPDATE,
    InvalidManagedFields,
    Owner,
    Owners,
    encoded,
    identify,
    is_reset,
    same_but_times,
    sent_owners,
    stored_owners,
)
from master.api.apply.owned import InvalidTyped, check
from master.api.apply.path_elements import NoPathElement
from master.api.apply.updater import Target
from master.client.errors import bad_request
from master.client.protocol import Json

#: Manager of what was there before anybody applied, in an object whose owners were not known.
BEFORE_FIRST_APPLY = "before-first-apply"
#: Manager of who gives no name.
UNKNOWN = "unknown"

#: Nobody owns these: the server sets them, or they say which object it is.
_NEVER_OWNED = of(
    *(field_paths(name) for name in ("apiVersion", "kind", "metadata")),
    *(
        field_paths("metadata", name)
        for name in (
            "clusterName",
            "creationTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    ),
)


class Writer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who writes, through which subresource, and when (an RFC 3339 time)."""

    manager: str
    now: str
    subresource: str = ""


def updated(target: Target, old: Json, new: Json, *, sent: Any, writer: Writer) -> Any:
    """The managedFields of `new` after an update, or after a creation (`old` is empty then); None for none.

    `sent`: the managedFields in the body, which count unless a subresource is written.
    """
    entries = old.get("metadata", {}).get("managedFields")
    creates = not old
    if not writer.subresource and sent is not None:
        if is_reset(sent):
            return None
        owners = _sent_or_stored(sent, entries)
    else:
        owners = _stored(entries)
    if not owners and not creates:
        # Whose the fields are was not kept from the start: it is from the first apply on.
        return None
    try:
        result = _updated(target, old, new, owners, writer)
    except NoPathElement:
        # Invalid lists: validation says so, and if it lets them pass nobody can own parts of them.
        return entries
    found = encoded(result)
    # An update that changed nothing is no write.
    return entries if found == entries else found or None


def _updated(target: Target, old: Json, new: Json, owners: Owners, writer: Writer) -> Owners:
    result, changed = updater.update(target, old, new, owners)
    changed = difference(changed, _NEVER_OWNED)
    if not changed:
        return capped(result)
    identity = identify(writer.manager or UNKNOWN, UPDATE, target.api_version, writer.subresource)
    before = result.get(identity)
    fields = union(before.fields, changed) if before is not None else changed
    result[identity] = Owner(identity, target.api_version, fields, writer.now)
    return capped(result)


def applied(target: Target, live: Json | None, config: Json, *, writer: Writer, force: bool) -> tuple[Json, Any]:
    """The object that an apply makes of `live` (None: there is none yet), without managedFields, and its managedFields.

    Raises StatusError: 400 for a config that does not fit the schema, 409 for conflicts.
    """
    if (config.get("metadata") or {}).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    try:
        check(target.kind, config)
    except InvalidTyped as error:
        raise bad_request(f"failed to create typed patch object ({_named(config)}): {error}") from error
    except RecursionError:
        raise bad_request("the applied object is nested too deep") from None
    before, entries = _without_managed_fields(live)
    owners = _stored(entries)
    try:
        if live is not None and not owners:
            owners = _updated(target, {}, before, owners, replace(writer, manager=BEFORE_FIRST_APPLY))
        merged, owners = _applied(target, before, config, owners, writer=writer, force=force)
    except Conflicts as conflicts:
        raise conflicts.status() from conflicts
    except NoPathElement as error:
        raise bad_request(f"failed to create typed live object ({_named(before)}): {error}") from error
    found: Any = encoded(owners)
    if merged == before and same_but_times(found, entries):
        # Applying the same once more is no write.
        found = entries
    if writer.manager == last_applied.MANAGER:
        merged = last_applied.refreshed(merged, config)
    return merged, found


def _applied(target: Target, live: Json, config: Json, owners: Owners, *, writer: Writer, force: bool) -> tuple[Json, Owners]:
    identity = identify(writer.manager, APPLY, target.api_version, writer.subresource)
    self = Owner(identity, target.api_version, EMPTY)
    try:
        merged, result = updater.apply(target, live, config, owners, writer=self, force=force)
    except Conflicts as conflicts:
        if writer.manager != last_applied.MANAGER:
            raise
        allowed = last_applied.unchanged_fields(target, live)
        remaining = conflicts.without(allowed)
        if remaining.found:
            raise remaining from None
        merged, result = updater.apply(target, live, config, owners, writer=self, force=True)
    mine = result.get(identity)
    if mine is not None:
        fields: FieldSet = difference(mine.fields, _NEVER_OWNED)
        if fields:
            result[identity] = replace(mine, fields=fields, time=writer.now if merged != live else mine.time)
        else:
            del result[identity]
    return merged, result


def _without_managed_fields(live: Json | None) -> tuple[Json, Any]:
    if live is None:
        return {}, None
    metadata = live["metadata"]
    kept = {name: value for name, value in metadata.items() if name != "managedFields"}
    return {**live, "metadata": kept}, metadata.get("managedFields")


def _stored(entries: Any) -> Owners:
    try:
        return stored_owners(entries)
    except InvalidManagedFields:
        return {}


def _sent_or_stored(sent: Any, entries: Any) -> Owners:
    """What the client sent, if anything can be made of it: clients that know nothing of owners lose none."""
    if sent is entries or sent == entries:
        return _stored(entries)
    try:
        return sent_owners(sent) or _stored(entries)
    except InvalidManagedFields:
        return _stored(entries)


def _named(obj: Json) -> str:
    metadata = obj.get("metadata") or {}
    group_version = obj.get("apiVersion") or ""
    where = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
    return f"{where}; {group_version}, Kind={obj.get('kind') or ''}"
