"""What a deletion does to an object: removes it, or marks it and leaves the rest to whoever must act first.

    delete ─┬─ pod that runs, grace > 0 ──────────► deletionTimestamp = now + grace; its node ends it and deletes with grace 0
            ├─ finalizers (also foreground, orphan) ► deletionTimestamp = now; the last finalizer's removal removes it
            ├─ CustomResourceDefinition ────────────► Terminating; its controller deletes its objects, then lets it go
            ├─ namespace with spec.finalizers ──────► Terminating; the namespace controller empties and finalizes it
            └─ else ────────────────────────────────► removed

Pure functions over JSON. Source: k8s.io/apiserver pkg/registry/rest/delete.go, pkg/registry/core/pod/strategy.go.
"""

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from master.api.kinds.kind import Kind
from master.api.registry.metadata import next_generation, timestamp
from master.client.errors import bad_request
from master.client.protocol import DeleteOptions, Json

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
#: Keeps a CustomResourceDefinition until its objects are gone.
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_DEFAULT_POD_GRACE = 30


@dataclass(frozen=True, slots=True)
class Marked:
    """The object as it must be written; the deletion goes on later."""

    obj: Json


@dataclass(frozen=True, slots=True)
class Removed:
    """The object is to be removed from the store."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The object is being deleted already and nothing changes."""


Outcome = Marked | Removed | Pending


def begin(kind: Kind, old: Json, options: DeleteOptions, now: datetime | None = None) -> Outcome:
    """What a DELETE of `old` must do."""
    now = now or datetime.now(UTC)
    obj = copy.deepcopy(old)
    metadata = obj["metadata"]
    _set_propagation_finalizers(kind, metadata, options)
    if _is(kind, "apiextensions.k8s.io", "customresourcedefinitions") and not metadata.get("deletionTimestamp"):
        _begin_cleanup(obj, now)
    grace = _grace(kind, obj, options)
    if grace is not None:
        return _mark_graceful(obj, old, grace, now)
    if not _must_wait(kind, obj):
        return Removed()
    if not metadata.get("deletionTimestamp"):
        next_generation(obj)
        metadata["deletionTimestamp"] = timestamp(now)
    elif metadata.get("deletionGracePeriodSeconds"):
        metadata["deletionTimestamp"] = min(metadata["deletionTimestamp"], timestamp(now))
    metadata["deletionGracePeriodSeconds"] = 0
    if _is(kind, "", "namespaces"):
        metadata.pop("deletionGracePeriodSeconds", None)
        obj.setdefault("status", {})["phase"] = "Terminating"
    return Pending() if obj == old else Marked(obj)


def _begin_cleanup(obj: Json, now: datetime) -> None:
    """A definition goes when its objects are gone (apiextensions-apiserver pkg/registry/customresourcedefinition/etcd.go)."""
    finalizers: list[str] = obj["metadata"].setdefault("finalizers", [])
    if CLEANUP not in finalizers:
        finalizers.append(CLEANUP)
    status = obj.setdefault("status", {})
    others = [condition for condition in status.get("conditions") or () if condition.get("type") != "Terminating"]
    terminating = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": timestamp(now),
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    }
    status["conditions"] = [*others, terminating]


def is_complete(kind: Kind, obj: Json) -> bool:
    """Whether an update that left `obj` like this removed the last thing that its deletion waited for."""
    metadata = obj["metadata"]
    return bool(
        metadata.get("deletionTimestamp") and not metadata.get("deletionGracePeriodSeconds") and not _must_wait(kind, obj)
    )


def _mark_graceful(obj: Json, old: Json, grace: int, now: datetime) -> Outcome:
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        left = metadata.get("deletionGracePeriodSeconds") or 0
        if grace >= left:
            return Pending() if obj == old else Marked(obj)
        asked_at = datetime.fromisoformat(metadata["deletionTimestamp"]) - timedelta(seconds=left)
        metadata["deletionTimestamp"] = timestamp(asked_at + timedelta(seconds=grace))
    else:
        next_generation(obj)
        metadata["deletionTimestamp"] = timestamp(now + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    return Marked(obj)


def _grace(kind: Kind, obj: Json, options: DeleteOptions) -> int | None:
    """The grace of a pod in seconds; None when the deletion is not graceful."""
    if not _is(kind, "", "pods"):
        return None
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    metadata = obj["metadata"]
    grace = options.grace_period_seconds
    if grace is None and metadata.get("deletionTimestamp"):
        grace = metadata.get("deletionGracePeriodSeconds") or 0
    if grace is None:
        grace = spec.get("terminationGracePeriodSeconds")
    if grace is None:
        grace = _DEFAULT_POD_GRACE
    if grace < 0:
        grace = 1
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        grace = 0
    return grace or None


def _must_wait(kind: Kind, obj: Json) -> bool:
    if obj["metadata"].get("finalizers"):
        return True
    return _is(kind, "", "namespaces") and bool((obj.get("spec") or {}).get("finalizers"))


def _set_propagation_finalizers(kind: Kind, metadata: Json, options: DeleteOptions) -> None:
    policy = options.propagation_policy
    if policy is None:
        if not kind.orphans_by_default or {ORPHAN, FOREGROUND} & set(metadata.get("finalizers") or ()):
            return
        policy = "Orphan"
    finalizers = [name for name in metadata.get("finalizers") or [] if name not in (ORPHAN, FOREGROUND)]
    if policy == "Orphan":
        finalizers.append(ORPHAN)
    elif policy == "Foreground":
        finalizers.append(FOREGROUND)
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)


def _is(kind: Kind, group: str, plural: str) -> bool:
    return (kind.group, kind.plural) == (group, plural)


def removed(kind: Kind, obj: Json) -> Json:
    """What a client gets for an object that is gone: a pod as it was, of others a Status."""
    if (kind.group, kind.plural) == ("", "pods"):
        return obj
    metadata = obj["metadata"]
    details = {"name": metadata["name"], "group": kind.group, "kind": kind.plural, "uid": metadata["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


def delete_options(body: Json, *, dry_run: bool = False) -> DeleteOptions:
    """metav1.DeleteOptions as JSON. Raises StatusError 400."""
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds")
    policy: Any = body.get("propagationPolicy")
    orphan = body.get("orphanDependents")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise bad_request("gracePeriodSeconds must be an integer")
    if policy not in (None, "Orphan", "Background", "Foreground"):
        text = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise bad_request(f"DeleteOptions.meta.k8s.io is invalid: propagationPolicy: {text}")
    if policy is None and isinstance(orphan, bool):
        policy = "Orphan" if orphan else "Background"
    return DeleteOptions(
        grace_period_seconds=grace,
        propagation_policy=policy,
        uid=preconditions.get("uid") or None,
        resource_version=preconditions.get("resourceVersion") or None,
        dry_run=dry_run or bool(body.get("dryRun")),
    )
