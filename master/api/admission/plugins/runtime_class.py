"""RuntimeClass: a new pod gets its class' overhead, node selector and tolerations; without a class it has no overhead.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#runtimeclass, KEP-688, KEP-585.
"""

from master.api.admission.protocol import (
    AdmissionContext,
    AdmissionRequest,
    MutatingPlugin,
    ObjectReader,
    ValidatingPlugin,
)
from master.client.errors import StatusError, forbidden
from master.client.protocol import Json
from proto.k8s.quantity import parse

ORDER = 75


class RuntimeClass:
    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        found = await self._class_of(request, obj)
        if found is None:
            return
        spec = obj["spec"]
        overhead = (found.get("overhead") or {}).get("podFixed")
        if found.get("overhead") is not None:
            if spec.get("overhead") is not None and not _same(spec["overhead"], overhead):
                raise _refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
            spec["overhead"] = dict(overhead or {})
        scheduling = found.get("scheduling") or {}
        selector = dict(spec.get("nodeSelector") or {})
        for key, value in (scheduling.get("nodeSelector") or {}).items():
            if selector.setdefault(key, value) != value:
                why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                why += f"pod.spec.nodeSelector[{key}] = {selector[key]}"
                raise _refused(request, why)
        if selector:
            spec["nodeSelector"] = selector
        tolerations = list(spec.get("tolerations") or [])
        tolerations += [one for one in scheduling.get("tolerations") or () if one not in tolerations]
        if tolerations:
            spec["tolerations"] = tolerations

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        found = await self._class_of(request, obj)
        given = (obj.get("spec") or {}).get("overhead")
        if not _is_new_pod(request) or given is None:
            return
        overhead = ((found or {}).get("overhead") or {}).get("podFixed")
        if overhead is None:
            raise _refused(request, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
        if not _same(given, overhead):
            raise _refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")

    async def _class_of(self, request: AdmissionRequest, obj: Json) -> Json | None:
        name = (obj.get("spec") or {}).get("runtimeClassName") if _is_new_pod(request) else None
        if not name:
            return None
        found = await self._reader.read("node.k8s.io", "runtimeclasses", "", name)
        if found is None:
            raise _refused(request, f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _is_new_pod(request: AdmissionRequest) -> bool:
    resource = request.resource
    return (resource.group, resource.plural, request.operation, request.subresource) == ("", "pods", "CREATE", "")


def _same(one: Json, other: Json | None) -> bool:
    other = other or {}
    return one.keys() == other.keys() and all(parse(one[name]) == parse(other[name]) for name in one)


def _refused(request: AdmissionRequest, why: str) -> StatusError:
    return forbidden("pods", "", request.name, why)


def mutating(context: AdmissionContext) -> MutatingPlugin:
    return RuntimeClass(context.reader)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return RuntimeClass(context.reader)
