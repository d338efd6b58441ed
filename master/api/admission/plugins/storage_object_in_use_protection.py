"""StorageObjectInUseProtection: volumes and claims are born with a finalizer, which a controller lifts when nobody uses them.

Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin
from master.client.protocol import Json

ORDER = 65
_FINALIZERS = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
}


class StorageObjectInUseProtection:
    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        finalizer = _FINALIZERS.get(resource.plural)
        if finalizer is None or resource.group or request.operation != "CREATE" or request.subresource:
            return
        finalizers = obj["metadata"].get("finalizers") or []
        if finalizer not in finalizers:
            obj["metadata"]["finalizers"] = [*finalizers, finalizer]


def mutating(_context: AdmissionContext) -> MutatingPlugin:
    return StorageObjectInUseProtection()
