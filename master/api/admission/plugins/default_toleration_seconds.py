"""DefaultTolerationSeconds: a pod stays 300 s on a node that is not ready or unreachable, unless it says otherwise.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#defaulttolerationseconds
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin
from master.client.protocol import Json

ORDER = 40
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_SECONDS = 300


class DefaultTolerationSeconds:
    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("", "pods") or request.operation == "DELETE" or request.subresource:
            return
        spec = obj.setdefault("spec", {})
        tolerations = list(spec.get("tolerations") or [])
        for taint in _TAINTS:
            if not any(_tolerates(toleration, taint) for toleration in tolerations):
                tolerations.append({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS})
        spec["tolerations"] = tolerations


def _tolerates(toleration: Json, taint: str) -> bool:
    return toleration.get("key", "") in ("", taint) and toleration.get("effect", "") in ("", "NoExecute")


def mutating(_context: AdmissionContext) -> MutatingPlugin:
    return DefaultTolerationSeconds()
