"""Keeps the number of update managers of an object bounded: the oldest are put together as "ancient-changes".

Source: k8s.io/apimachinery pkg/util/managedfields/internal/capmanagers.go.
"""

from msgspec.structs import replace

from master.api.apply.field_sets import union
from master.api.apply.managed_fields import UPDATE, ManagerId, Owner, Owners, identify

#: As many managers that do not apply are told apart.
MAX_UPDATE_MANAGERS = 10
ANCIENT = "ancient-changes"


def capped(owners: Owners) -> Owners:
    """The owners, with the oldest that update put together per version until few enough are left."""
    left = len(owners)
    if left <= MAX_UPDATE_MANAGERS:
        return owners
    updaters = sorted((owner for owner in owners.values() if not owner.applied), key=lambda owner: (owner.time, owner.id))
    left = len(updaters)
    result = dict(owners)
    first: dict[str, ManagerId] = {}
    for owner in updaters:
        if left <= MAX_UPDATE_MANAGERS:
            break
        bucket = identify(ANCIENT, UPDATE, owner.api_version, "")
        if owner.api_version not in first:
            first[owner.api_version] = owner.id
            continue
        if bucket not in result:
            oldest = result.pop(first[owner.api_version])
            result[bucket] = replace(oldest, id=bucket)
        fields = union(owner.fields, result[bucket].fields)
        result[bucket] = Owner(bucket, owner.api_version, fields, owner.time)
        if owner.id != bucket:
            result.pop(owner.id)
        left -= 1
    return result
