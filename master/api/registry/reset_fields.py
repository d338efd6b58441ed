"""Fields that a write never sets, so that nobody comes to own them by sending them: the status in a write of the object, all
but the status in a write of the status.

Source: GetResetFields of the strategies in Kubernetes' pkg/registry.
"""

from collections.abc import Mapping
from functools import lru_cache

from master.api.apply.field_sets import EMPTY, FieldSet, field_paths, of
from master.api.apply.path_elements import Path
from master.api.kinds.kind import Kind

_STATUS: tuple[Path, ...] = (field_paths("status"),)
_SPEC: tuple[Path, ...] = (field_paths("spec"),)
_SPEC_AND_METADATA: tuple[Path, ...] = (*_SPEC, field_paths("metadata"))
#: What a write of the status leaves alone beside the spec, by group and plural.
_STATUS_WRITES: Mapping[tuple[str, str], tuple[Path, ...]] = {
    ("", "pods"): (*_SPEC, field_paths("metadata", "deletionTimestamp"), field_paths("metadata", "ownerReferences")),
    ("apps", "deployments"): (*_SPEC, field_paths("metadata", "labels")),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): _SPEC_AND_METADATA,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _SPEC_AND_METADATA,
    ("apiregistration.k8s.io", "apiservices"): _SPEC_AND_METADATA,
    ("storage.k8s.io", "volumeattachments"): _SPEC_AND_METADATA,
}
#: Other writes, by group, plural and subresource.
_OTHER_WRITES: Mapping[tuple[str, str, str], tuple[Path, ...]] = {
    ("", "namespaces", ""): (*_STATUS, field_paths("spec", "finalizers")),
    ("", "pods", "ephemeralcontainers"): _STATUS,
    ("", "pods", "resize"): _STATUS,
    ("certificates.k8s.io", "certificatesigningrequests", "approval"): (
        *_SPEC,
        field_paths("status", "certificate"),
    ),
}


def reset_fields(kind: Kind, subresource: str) -> FieldSet:
    """The fields that nobody owns who writes a kind through a subresource ("" for the object itself)."""
    return _reset_fields(kind.group, kind.plural, subresource, "status" in kind.subresources)


@lru_cache(maxsize=1024)
def _reset_fields(group: str, plural: str, subresource: str, has_status: bool) -> FieldSet:
    other = _OTHER_WRITES.get((group, plural, subresource))
    if other is not None:
        return of(*other)
    if subresource == "status":
        return of(*_STATUS_WRITES.get((group, plural), _SPEC))
    return of(*_STATUS) if not subresource and has_status else EMPTY
