"""metadata.managedFields: its entries, decoded, and the order in which they are stored.

Source: k8s.io/apimachinery pkg/util/managedfields/internal/managedfields.go.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from master.api.apply.field_sets import FieldSet, decode
from master.api.apply.path_elements import NoPathElement
from master.client.protocol import Json

APPLY: Literal["Apply"] = "Apply"
UPDATE: Literal["Update"] = "Update"


class ManagerId(NamedTuple):
    """Who owns fields. An applier is the same one in every version: `api_version` is "" for it."""

    manager: str
    operation: Literal["Apply", "Update"]
    api_version: str
    subresource: str


class Owner(msgspec.Struct, frozen=True):
    """The fields of one manager, as of a version. `time` "" when none is known."""

    id: ManagerId
    api_version: str
    fields: FieldSet
    time: str = ""

    @property
    def applied(self) -> bool:
        return self.id.operation == APPLY

    def with_fields(self, fields: FieldSet) -> "Owner":
        """The same owner of other fields."""
        return self if fields is self.fields else replace(self, fields=fields)


Owners = dict[ManagerId, Owner]


class InvalidManagedFields(ValueError):
    """Entries that nobody can read; says why."""


def identify(manager: str, operation: Literal["Apply", "Update"], api_version: str, subresource: str) -> ManagerId:
    return ManagerId(manager, operation, "" if operation == APPLY else api_version, subresource)


def stored_owners(entries: Any) -> Owners:
    """The owners in an object that is stored: written here, so in canonical form. Raises InvalidManagedFields."""
    return _decoded(entries, stored=True)


def sent_owners(entries: Any) -> Owners:
    """The owners in an object that a client sent. Raises InvalidManagedFields."""
    return _decoded(entries, stored=False)


def _decoded(entries: Any, *, stored: bool) -> Owners:
    owners: Owners = {}
    if not isinstance(entries, list):
        if entries is None:
            return owners
        raise InvalidManagedFields("managedFields must be a list")
    for index, entry in enumerate(entries):
        operation, api_version = entry.get("operation"), entry.get("apiVersion")
        if operation not in (APPLY, UPDATE):
            raise InvalidManagedFields("operation must be `Apply` or `Update`")
        if not api_version:
            raise InvalidManagedFields("apiVersion must not be empty")
        kind = entry.get("fieldsType")
        if kind != "FieldsV1":
            what = f'invalid fieldsType "{kind}"' if kind else "missing fieldsType"
            raise InvalidManagedFields(f"{what} in managed fields entry {index}")
        fields = entry.get("fieldsV1") or {}
        if not stored:
            try:
                fields = decode(fields)
            except NoPathElement as error:
                raise InvalidManagedFields(f"error decoding set: {error}") from error
        manager = identify(entry.get("manager") or "", operation, api_version, entry.get("subresource") or "")
        owners[manager] = Owner(manager, api_version, fields, entry.get("time") or "")
    return owners


def encoded(owners: Mapping[ManagerId, Owner]) -> list[Json]:
    """The entries as they are stored: appliers first, then by time and name."""
    return [_entry(owner) for owner in sorted(owners.values(), key=_order)]


def _order(owner: Owner) -> tuple[str, str, str, str, str]:
    # Times are RFC 3339 in UTC with whole seconds, which sort as text; "" comes first, as Go's zero time.
    return owner.id.operation, owner.time, owner.id.manager, owner.api_version, owner.id.subresource


def _entry(owner: Owner) -> Json:
    entry: Json = {}
    if owner.id.manager:
        entry["manager"] = owner.id.manager
    entry["operation"] = owner.id.operation
    entry["apiVersion"] = owner.api_version
    if owner.time:
        entry["time"] = owner.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = owner.fields
    if owner.id.subresource:
        entry["subresource"] = owner.id.subresource
    return entry


def is_reset(entries: Any) -> bool:
    """Whether a client asks to forget who owns what: an empty list, or one empty entry."""
    return isinstance(entries, list) and (not entries or (len(entries) == 1 and not any(entries[0].values())))


def same_but_times(one: Any, other: Any) -> bool:
    """Whether two lists of entries differ in nothing but their times."""
    return isinstance(one, list) and isinstance(other, list) and len(one) == len(other) and _timeless(one) == _timeless(other)


def _timeless(entries: Iterable[Json]) -> list[Json]:
    return [{name: value for name, value in entry.items() if name != "time"} for entry in entries]
