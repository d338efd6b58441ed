"""TaintNodesByCondition: a new Node takes no pods before it has said that it is ready; the node lifecycle controller lifts it.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#taintnodesbycondition
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin
from master.client.protocol import Json

ORDER = 50
_NOT_READY = "node.kubernetes.io/not-ready"


class TaintNodesByCondition:
    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("", "nodes") or request.operation != "CREATE" or request.subresource:
            return
        spec = obj.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any((taint.get("key"), taint.get("effect")) == (_NOT_READY, "NoSchedule") for taint in taints):
            spec["taints"] = [*taints, {"key": _NOT_READY, "effect": "NoSchedule"}]


def mutating(_context: AdmissionContext) -> MutatingPlugin:
    return TaintNodesByCondition()
