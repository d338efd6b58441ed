"""DefaultIngressClass: a new Ingress that names no class gets the default one: the newest that is marked so.

Source: https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class
"""

from master.api.admission.default_class import default_class
from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin, ObjectReader
from master.client.protocol import Json

ORDER = 80
_OLD_ANNOTATION = "kubernetes.io/ingress.class"
_IS_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass:
    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("networking.k8s.io", "ingresses"):
            return
        if request.operation != "CREATE" or request.subresource:
            return
        spec = obj.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or _OLD_ANNOTATION in (obj["metadata"].get("annotations") or {}):
            return
        classes = await self._reader.read_all("networking.k8s.io", "ingressclasses")
        if default := default_class(classes, _IS_DEFAULT):
            spec["ingressClassName"] = default


def mutating(context: AdmissionContext) -> MutatingPlugin:
    return DefaultIngressClass(context.reader)
