"""DefaultStorageClass: a new claim that asks for no class, not even "", gets the default one: the newest marked so.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#defaultstorageclass
"""

from master.api.admission.default_class import default_class
from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin, ObjectReader
from master.client.protocol import Json

ORDER = 60
_OLD_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_IS_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


class DefaultStorageClass:
    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("", "persistentvolumeclaims"):
            return
        if request.operation != "CREATE" or request.subresource:
            return
        spec = obj.setdefault("spec", {})
        if spec.get("storageClassName") is not None or _OLD_ANNOTATION in (obj["metadata"].get("annotations") or {}):
            return
        classes = await self._reader.read_all("storage.k8s.io", "storageclasses")
        if default := default_class(classes, *_IS_DEFAULT):
            spec["storageClassName"] = default


def mutating(context: AdmissionContext) -> MutatingPlugin:
    return DefaultStorageClass(context.reader)
