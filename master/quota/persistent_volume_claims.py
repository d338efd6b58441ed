"""PersistentVolumeClaims: their number and the storage that they request, in all and by StorageClass."""

from collections.abc import Iterable
from typing import Any

from master.quota.evaluator import ScopeSelector
from master.quota.quantities import largest

Json = dict[str, Any]

_COUNT = ("count/persistentvolumeclaims", "persistentvolumeclaims")
_STORAGE = "requests.storage"
_OF_CLASS = ".storageclass.storage.k8s.io/"
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


class PersistentVolumeClaims:
    def handles(self, operation: str, subresource: str) -> bool:
        return operation in ("CREATE", "UPDATE") and not subresource

    def usage(self, obj: Json) -> dict[str, str]:
        result = dict.fromkeys(_COUNT, "1")
        name = _class_of(obj)
        if name:
            result[f"{name}{_OF_CLASS}persistentvolumeclaims"] = "1"
        storage = self._storage(obj)
        if storage is not None:
            result[_STORAGE] = storage
            if name:
                result[f"{name}{_OF_CLASS}{_STORAGE}"] = storage
        return result

    def _storage(self, obj: Json) -> str | None:
        """A claim that shrinks back after a growth that failed still holds what was allocated for it."""
        requested = ((obj.get("spec") or {}).get("resources") or {}).get("requests") or {}
        allocated = (obj.get("status") or {}).get("allocatedResources") or {}
        return largest(requested, allocated).get("storage") if "storage" in requested else None

    def names(self, limited: Iterable[str]) -> set[str]:
        return {name for name in limited if name in _COUNT or name == _STORAGE or _OF_CLASS in name}

    def in_scope(self, obj: Json, selector: ScopeSelector) -> bool:
        return False

    def missing(self, limited: set[str], obj: Json) -> str:
        return ""


def _class_of(claim: Json) -> str:
    annotation = ((claim.get("metadata") or {}).get("annotations") or {}).get(_CLASS_ANNOTATION)
    return str(annotation if annotation is not None else (claim.get("spec") or {}).get("storageClassName") or "")
