"""NamespaceLifecycle: nothing is created in a namespace that is missing or going; the system's namespaces stay.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#namespacelifecycle
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin, ObjectLookup
from master.client.errors import StatusError, forbidden, not_found
from master.client.protocol import Json

ORDER = 10
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle:
    def __init__(self, reader: ObjectLookup) -> None:
        self._reader = reader

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) == ("", "namespaces"):
            if request.operation == "DELETE" and request.name in _IMMORTAL:
                raise forbidden("namespaces", "", request.name, "this namespace may not be deleted")
            return
        if request.operation != "CREATE" or not request.namespace or request.subresource:
            return
        terminating = await self._reader.lookup("", "namespaces", "", request.namespace, _is_terminating)
        if terminating is None:
            raise not_found("namespaces", "", request.namespace)
        if terminating:
            why = f"unable to create new content in namespace {request.namespace} because it is being terminated"
            error = forbidden(resource.plural, resource.group, request.name, why)
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {request.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise StatusError(error.code, error.reason, error.message, details={**(error.details or {}), "causes": [cause]})


def _is_terminating(namespace: Json) -> bool:
    return bool(namespace["metadata"].get("deletionTimestamp"))


def mutating(context: AdmissionContext) -> MutatingPlugin:
    return NamespaceLifecycle(context.reader)
