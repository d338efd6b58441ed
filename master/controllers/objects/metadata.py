"""An object's identity, read from types whose every field is optional.

The API never serves an object without a name, a uid or a creation time, so a missing one reads as "" or the epoch instead of
being checked for everywhere.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import msgspec
from lightkube.core.resource import Resource, api_info
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference

Key = tuple[str, str]
"""Namespace ("" for cluster-scoped objects) and name: what work queues hold."""

EPOCH = datetime.fromtimestamp(0, UTC)


class HasMetadata(Protocol):
    metadata: ObjectMeta | None


M = TypeVar("M", bound=HasMetadata)

_EMPTY = ObjectMeta()


def meta(obj: HasMetadata | Resource) -> ObjectMeta:
    """The object's metadata; shared, so never to be changed."""
    found = getattr(obj, "metadata", None)
    return found if isinstance(found, ObjectMeta) else _EMPTY


def name_of(obj: HasMetadata | Resource) -> str:
    return meta(obj).name or ""


def namespace_of(obj: HasMetadata | Resource) -> str:
    return meta(obj).namespace or ""


def uid_of(obj: HasMetadata | Resource) -> str:
    return meta(obj).uid or ""


def key_of(obj: HasMetadata | Resource) -> Key:
    return namespace_of(obj), name_of(obj)


def labels_of(obj: HasMetadata | Resource) -> Mapping[str, str]:
    return meta(obj).labels or {}


def annotations_of(obj: HasMetadata | Resource) -> Mapping[str, str]:
    return meta(obj).annotations or {}


def created(obj: HasMetadata | Resource) -> datetime:
    return meta(obj).creationTimestamp or EPOCH


def terminating(obj: HasMetadata | Resource) -> bool:
    return meta(obj).deletionTimestamp is not None


def with_metadata(obj: M, **changes: Any) -> M:
    """A copy of the object with these fields of its metadata changed."""
    fresh = msgspec.structs.replace(meta(obj), **changes)
    return msgspec.structs.replace(obj, metadata=fresh)  # type: ignore[type-var]


def controller_of(obj: HasMetadata | Resource) -> OwnerReference | None:
    """The one owner that manages the object, if it has one."""
    for reference in meta(obj).ownerReferences or ():
        if reference.controller:
            return reference
    return None


def controller_reference(owner: Resource) -> OwnerReference:
    """What an object that this owner manages carries."""
    resource = api_info(owner).resource
    return OwnerReference(
        apiVersion=resource.api_version,
        kind=resource.kind,
        name=name_of(owner),
        uid=uid_of(owner),
        controller=True,
        blockOwnerDeletion=True,
    )


def whole_seconds(moment: datetime) -> datetime:
    """metav1.Time has no fractions of a second."""
    return moment.replace(microsecond=0)
