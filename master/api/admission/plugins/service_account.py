"""ServiceAccount: a pod that names none runs as `default`; one that is named must exist.

`default` itself is not looked up: its controller makes it a moment after its namespace, and until tokens are mounted nothing
of it is needed. Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin, ObjectReader
from master.client.errors import forbidden
from master.client.protocol import Json

ORDER = 20


class ServiceAccount:
    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("", "pods") or request.operation != "CREATE" or request.subresource:
            return
        spec = obj.setdefault("spec", {})
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        spec["serviceAccountName"] = name
        spec["serviceAccount"] = name
        if name == "default":
            return
        if await self._reader.read("", "serviceaccounts", request.namespace, name) is None:
            why = f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden("pods", "", request.name, why)


def mutating(context: AdmissionContext) -> MutatingPlugin:
    return ServiceAccount(context.reader)
