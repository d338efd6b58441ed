"""Priority: a new pod's spec.priority comes from its class; without one it is 0. An update keeps it.

PriorityClass is not served yet: only Kubernetes' two built-in classes exist.
Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin
from master.client.errors import forbidden
from master.client.protocol import Json

ORDER = 30
_BUILT_IN = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class Priority:
    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("", "pods") or request.operation == "DELETE" or request.subresource:
            return
        spec = obj.setdefault("spec", {})
        if request.old is not None:
            for kept in ("priority", "preemptionPolicy"):
                if spec.get(kept) is None and (request.old.get("spec") or {}).get(kept) is not None:
                    spec[kept] = request.old["spec"][kept]
            return
        class_name = spec.get("priorityClassName") or ""
        if class_name and class_name not in _BUILT_IN:
            raise forbidden("pods", "", request.name, f"no PriorityClass with name {class_name} was found")
        priority = _BUILT_IN.get(class_name, 0)
        given = spec.get("priority")
        if given is not None and given != priority:
            why = f"the integer value of priority ({given}) must not be provided in pod spec; "
            why += f"priority admission controller computed {priority} from the given PriorityClass name"
            raise forbidden("pods", "", request.name, why)
        spec["priority"] = priority
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def mutating(_context: AdmissionContext) -> MutatingPlugin:
    return Priority()
