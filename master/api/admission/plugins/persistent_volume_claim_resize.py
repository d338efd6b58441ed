"""PersistentVolumeClaimResize: a claim grows only when it is bound and its class allows that.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#persistentvolumeclaimresize
"""

from decimal import Decimal

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ObjectReader, ValidatingPlugin
from master.client.errors import forbidden
from master.client.protocol import Json
from proto.k8s.quantity import parse

ORDER = 70
_PLURAL = "persistentvolumeclaims"
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


class PersistentVolumeClaimResize:
    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        resource, old = request.resource, request.old
        if (resource.group, resource.plural) != ("", _PLURAL) or request.operation != "UPDATE" or request.subresource:
            return
        if old is None or _requested(obj) <= _requested(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise forbidden(_PLURAL, "", request.name, "Only bound persistent volume claims can be expanded")
        if not await self._may_grow(_class_of(obj), _class_of(old)):
            why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
            why += "resize"
            raise forbidden(_PLURAL, "", request.name, why)

    async def _may_grow(self, name: str, before: str) -> bool:
        if not name or name != before:
            return False
        found = await self._reader.read("storage.k8s.io", "storageclasses", "", name)
        return found is not None and bool(found.get("allowVolumeExpansion"))


def _requested(claim: Json) -> Decimal:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return parse(requests.get("storage", "0"))


def _class_of(claim: Json) -> str:
    annotation = (claim["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
    return str(annotation if annotation is not None else (claim.get("spec") or {}).get("storageClassName") or "")


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return PersistentVolumeClaimResize(context.reader)
