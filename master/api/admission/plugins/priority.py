"""Priority: a new pod's priority and preemption policy come from its PriorityClass, or from the global default.

An update keeps both. Of PriorityClasses, only one may be the global default.
Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from dataclasses import dataclass

from master.api.admission.protocol import (
    AdmissionContext,
    AdmissionRequest,
    MutatingPlugin,
    ObjectLookup,
    ValidatingPlugin,
)
from master.client.errors import forbidden
from master.client.protocol import Json

ORDER = 30
_GROUP, _PLURAL = "scheduling.k8s.io", "priorityclasses"


@dataclass(frozen=True, slots=True)
class _Class:
    """What counts of a PriorityClass."""

    name: str
    value: int
    preemption_policy: str | None
    is_default: bool = False


_NO_CLASS = _Class("", 0, "PreemptLowerPriority")


class Priority:
    def __init__(self, reader: ObjectLookup) -> None:
        self._reader = reader

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
        chosen = await self._class_of(spec, request.name)
        priority, policy = chosen.value, chosen.preemption_policy
        given, given_policy = spec.get("priority"), spec.get("preemptionPolicy")
        computed = (
            "must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name"
        )
        if given is not None and given != priority:
            why = f"the integer value of priority ({given}) {computed.format(priority)}"
            raise forbidden("pods", "", request.name, why)
        spec["priority"] = priority
        if policy is None:
            return
        if given_policy is not None and given_policy != policy:
            why = f"the string value of PreemptionPolicy ({given_policy}) {computed.format(policy)}"
            raise forbidden("pods", "", request.name, why)
        spec["preemptionPolicy"] = policy

    async def _class_of(self, spec: Json, pod: str) -> _Class:
        """The pod's class; what it names in `spec` when that was left to the default."""
        name = spec.get("priorityClassName") or ""
        if name:
            found = await self._reader.lookup(_GROUP, _PLURAL, "", name, _class)
            if found is None:
                raise forbidden("pods", "", pod, f"no PriorityClass with name {name} was found")
            return found
        default = await self._default()
        if default is None:
            return _NO_CLASS
        spec["priorityClassName"] = default.name
        return default

    async def _default(self) -> _Class | None:
        """Of several, which only a race makes, the lowest."""
        classes = [one for one in await self._reader.lookup_all(_GROUP, _PLURAL, "", _class) if one.is_default]
        return min(classes, key=lambda one: one.value, default=None)

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != (_GROUP, _PLURAL) or request.operation == "DELETE" or request.subresource:
            return
        if not obj.get("globalDefault"):
            return
        default = await self._default()
        name = "" if default is None else default.name
        if name and (request.operation == "CREATE" or name != request.name):
            why = f"PriorityClass {name} is already marked as default. Only one default can exist"
            raise forbidden(_PLURAL, _GROUP, request.name, why)


def _class(obj: Json) -> _Class:
    return _Class(obj["metadata"]["name"], obj.get("value", 0), obj.get("preemptionPolicy"), bool(obj.get("globalDefault")))


def mutating(context: AdmissionContext) -> MutatingPlugin:
    return Priority(context.reader)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return Priority(context.reader)
