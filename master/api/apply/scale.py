"""Owners through the scale subresource: there the replicas of the object are the only field.

Source: k8s.io/apimachinery pkg/util/managedfields/scalehandler.go.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from master.api.apply.field_sets import contains, difference, field_paths, of, union
from master.api.apply.managed_fields import ManagerId, Owner, Owners, encoded, identify
from master.api.apply.path_elements import Path

SCALE_VERSION = "autoscaling/v1"
_IN_SCALE = field_paths("spec", "replicas")

#: Where a version of the object has its replicas; None for a version that is not served or has no scale.
ReplicasPath = Callable[[str], Path | None]


def to_scale(owners: Owners, replicas: ReplicasPath) -> Any:
    """The managedFields of the Scale of an object with these owners."""
    shown: Owners = {}
    for owner in owners.values():
        path = replicas(owner.api_version)
        if path is None or not contains(owner.fields, path):
            continue
        identity = identify(owner.id.manager, owner.id.operation, SCALE_VERSION, owner.id.subresource)
        shown[identity] = Owner(identity, SCALE_VERSION, of(_IN_SCALE), owner.time)
    return encoded(shown)


def to_parent(owners: Owners, scale: Owners, api_version: str, replicas: ReplicasPath) -> Any:
    """The managedFields of the object after its Scale has these owners. `api_version`: the object's."""
    left = {_name(owner.id): owner for owner in scale.values() if contains(owner.fields, _IN_SCALE)}
    result: Owners = {}
    for owner in owners.values():
        path = replicas(owner.api_version)
        if path is None or not contains(owner.fields, path):
            result[owner.id] = owner
            continue
        still = left.pop(_name(owner.id), None)
        if still is not None:
            result[owner.id] = replace(owner, time=still.time)
            continue
        fields = difference(owner.fields, of(path))
        if fields:
            result[owner.id] = owner.with_fields(fields)
    here = replicas(api_version)
    for owner in left.values():
        identity = identify(owner.id.manager, owner.id.operation, api_version, owner.id.subresource)
        if here is not None:
            before = result.get(identity)
            fields = of(here) if before is None else union(before.fields, of(here))
            result[identity] = Owner(identity, api_version, fields, owner.time)
    return encoded(result)


def _name(identity: ManagerId) -> tuple[str, str, str]:
    """Who it is in any version."""
    return identity.manager, identity.operation, identity.subresource
