"""What an update or an apply does to the field sets of all managers, and which fields an apply removes.

    update:  what changed goes to who wrote it and away from all others; what is gone, away from everybody
    apply:   live + config → drop what this manager applied before and neither it nor anybody else wants now → conflicts?

Sets of managers that wrote in another version of the kind are compared in that version (`Versions`).
Source: sigs.k8s.io/structured-merge-diff merge/update.go.
"""

from typing import Any, Protocol

import msgspec

from master.api.apply.compare import Comparison, compare
from master.api.apply.conflicts import Conflicts
from master.api.apply.field_sets import (
    EMPTY,
    FieldSet,
    difference,
    intersection,
    reconciled,
    recursive_difference,
    union,
    with_named_fields,
)
from master.api.apply.managed_fields import ManagerId, Owner, Owners
from master.api.apply.merge import merge
from master.api.apply.owned import owned
from master.api.apply.remove import remove
from master.api.schema.merge_types import MergeType
from master.client.protocol import Json


class Versions(Protocol):
    """The other versions of the kind that is written, as field sets need them."""

    def merge_type(self, api_version: str) -> MergeType | None:
        """None for a version that is not served any more: what was owned in it is forgotten."""
        ...

    def convert(self, obj: Any, api_version: str) -> Any:
        """An object of the written version in another one."""
        ...

    def back(self, obj: Any, api_version: str) -> Any:
        """The same the other way round."""
        ...

    def reset_fields(self, api_version: str) -> FieldSet:
        """Fields that nobody owns who writes here: they are not his to set."""
        ...


class Target(msgspec.Struct, frozen=True):
    """What is written: the version of the kind and how it merges. `evolving`: its schema may change at run time."""

    api_version: str
    kind: MergeType
    versions: Versions
    evolving: bool = False


def update(target: Target, old: Json, new: Json, owners: Owners) -> tuple[Owners, FieldSet]:
    """The owners after somebody brought an object from `old` to `new`, and what is his now beside what he had."""
    if target.evolving:
        owners = _reconciled(target, owners)
    owners, comparison = _take(target, old, new, owners, writer=None, force=True)
    return owners, comparison.changed


def apply(target: Target, live: Json, config: Json, owners: Owners, *, writer: Owner, force: bool) -> tuple[Json, Owners]:
    """The object with a config merged in, and its owners. `writer`: whose config it is, with no fields yet.

    Raises Conflicts unless forced, NoPathElement.
    """
    owners = _reconciled(target, owners)
    merged: Json = merge(target.kind, live, config)
    before = owners.get(writer.id)
    claimed = recursive_difference(owned(target.kind, config), target.versions.reset_fields(target.api_version))
    owners = {**owners, writer.id: Owner(writer.id, target.api_version, claimed, before.time if before else "")}
    if before is not None and (before.api_version != target.api_version or difference(before.fields, claimed)):
        merged = _pruned(target, merged, owners, before)
    owners, _ = _take(target, live, merged, owners, writer=writer.id, force=force)
    return merged, owners


def _take(
    target: Target, old: Json, new: Json, owners: Owners, *, writer: ManagerId | None, force: bool
) -> tuple[Owners, Comparison]:
    """Give what changed to the writer. Raises Conflicts."""
    compared = _compared(target, target.api_version, target.kind, old, new)
    by_version: dict[str, Comparison | None] = {target.api_version: compared}
    result: Owners = {}
    conflicts: dict[ManagerId, FieldSet] = {}
    for owner in owners.values():
        if owner.id == writer:
            result[owner.id] = owner
            continue
        if owner.api_version not in by_version:
            by_version[owner.api_version] = _compared_elsewhere(target, owner.api_version, old, new)
        comparison = by_version[owner.api_version]
        if comparison is None:
            continue
        fields = owner.fields
        taken = intersection(fields, comparison.changed) if comparison.changed else EMPTY
        if taken:
            conflicts[owner.id] = taken
            fields = difference(fields, taken)
        fields = difference(fields, comparison.removed)
        if fields:
            result[owner.id] = owner.with_fields(fields)
    if conflicts and not force:
        raise Conflicts.of_owners(conflicts)
    if writer is not None and writer in result and not result[writer].fields:
        del result[writer]
    return result, compared


def _compared(target: Target, api_version: str, kind: MergeType, old: Json, new: Json) -> Comparison:
    found = compare(kind, old, new)
    reset = target.versions.reset_fields(api_version)
    if not reset:
        return found
    return Comparison(recursive_difference(found.changed, reset), recursive_difference(found.removed, reset))


def _compared_elsewhere(target: Target, api_version: str, old: Json, new: Json) -> Comparison | None:
    kind = target.versions.merge_type(api_version)
    if kind is None:
        return None
    versions = target.versions
    return _compared(target, api_version, kind, versions.convert(old, api_version), versions.convert(new, api_version))


# What an apply removes


def _pruned(target: Target, merged: Json, owners: Owners, before: Owner) -> Json:
    """The merged object without what its applier had applied before and nobody claims now."""
    version = before.api_version
    kind = _kind_of(target, version)
    if kind is None:
        return merged
    at_version = _in_version(target, merged, version)
    pruned = remove(kind, at_version, with_named_fields(before.fields, kind))
    pruned = _with_owned(target, at_version, pruned, version, owners)
    pruned = _with_dangling(kind, at_version, pruned, before.fields)
    result: Json = pruned if version == target.api_version else target.versions.back(pruned, version)
    return result


def _with_owned(target: Target, merged: Any, pruned: Any, version: str, owners: Owners) -> Any:
    """Put back what somebody claims, the applier's new config included."""
    by_version: dict[str, FieldSet] = {}
    for owner in owners.values():
        by_version[owner.api_version] = union(by_version.get(owner.api_version, EMPTY), owner.fields)
    # The version of what was pruned comes first: other versions may not be made of an object that lacks what they need.
    for other in sorted(by_version, key=lambda api_version: api_version != version):
        kind = _kind_of(target, other)
        if kind is None:
            continue
        there, left = (value if other == version else _across(target, value, version, other) for value in (merged, pruned))
        gone = difference(
            with_named_fields(owned(kind, there), kind),
            union(with_named_fields(owned(kind, left), kind), with_named_fields(by_version[other], kind)),
        )
        left = remove(kind, there, gone)
        pruned = left if other == version else _across(target, left, other, version)
    return pruned


def _with_dangling(kind: MergeType, merged: Any, pruned: Any, last: FieldSet) -> Any:
    """Put back what the applier did not own: nothing but what it had applied itself is removed."""
    there, left = with_named_fields(owned(kind, merged), kind), with_named_fields(owned(kind, pruned), kind)
    return remove(kind, merged, intersection(difference(there, left), with_named_fields(last, kind)))


def _kind_of(target: Target, api_version: str) -> MergeType | None:
    return target.kind if api_version == target.api_version else target.versions.merge_type(api_version)


def _in_version(target: Target, obj: Json, api_version: str) -> Any:
    return obj if api_version == target.api_version else target.versions.convert(obj, api_version)


def _across(target: Target, obj: Any, source: str, wanted: str) -> Any:
    """An object from one version to another, by way of the one that is written."""
    if source != target.api_version:
        obj = target.versions.back(obj, source)
    return obj if wanted == target.api_version else target.versions.convert(obj, wanted)


def _reconciled(target: Target, owners: Owners) -> Owners:
    """The owners after the schema of a version may have changed under them."""
    result: Owners = {}
    for owner in owners.values():
        kind = _kind_of(target, owner.api_version)
        if kind is not None:
            result[owner.id] = owner.with_fields(reconciled(owner.fields, kind))
    return result
