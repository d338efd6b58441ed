"""LimitRanger: a namespace's LimitRanges give containers their default requests and limits, and bound them, pods and claims.

What was set is told by an annotation on the pod. Pods are looked at when they are created, claims also when they change.
Source: https://kubernetes.io/docs/concepts/policy/limit-range/, kubernetes' plugin/pkg/admission/limitranger.
"""

from collections.abc import Iterator, Sequence

from master.api.admission.limit_range import Bounds, violations
from master.api.admission.protocol import (
    AdmissionContext,
    AdmissionRequest,
    MutatingPlugin,
    ObjectReader,
    ValidatingPlugin,
)
from master.client.errors import forbidden
from master.client.protocol import Json
from master.quota.pod_resources import pod_limits, pod_requests

ORDER = 15
ANNOTATION = "kubernetes.io/limit-ranger"
_PODS, _CLAIMS = "pods", "persistentvolumeclaims"


class LimitRanger:
    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        if not _concerns(request) or request.resource.plural != _PODS:
            return
        for limit_range in await self._limit_ranges(request):
            _set_defaults(obj, limit_range)

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        if not _concerns(request):
            return
        for limit_range in await self._limit_ranges(request):
            found = list(_violations(request.resource.plural, obj, limit_range))
            if found:
                why = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
                raise forbidden(request.resource.plural, "", request.name, why)

    async def _limit_ranges(self, request: AdmissionRequest) -> Sequence[Json]:
        return await self._reader.read_all("", "limitranges", request.namespace)


def _concerns(request: AdmissionRequest) -> bool:
    resource = request.resource
    if resource.group or request.subresource:
        return False
    operations = {_PODS: ("CREATE",), _CLAIMS: ("CREATE", "UPDATE")}
    return request.operation in operations.get(resource.plural, ())


def _items(limit_range: Json, kind: str) -> Iterator[Json]:
    """The limits of one type: Container, Pod, PersistentVolumeClaim."""
    yield from (item for item in (limit_range.get("spec") or {}).get("limits") or () if item.get("type") == kind)


def _set_defaults(pod: Json, limit_range: Json) -> None:
    defaults: dict[str, dict[str, str]] = {"limits": {}, "requests": {}}
    for item in _items(limit_range, "Container"):
        defaults["limits"].update(item.get("default") or {})
        defaults["requests"].update(item.get("defaultRequest") or {})
    if not any(defaults.values()):
        return
    told: list[str] = []
    for field, what in (("containers", "container"), ("initContainers", "init container")):
        for container in (pod.get("spec") or {}).get(field) or ():
            told += _set_container_defaults(container, defaults, f"{what} {container.get('name', '')}")
    if told:
        metadata = pod.setdefault("metadata", {})
        text = "LimitRanger plugin set: " + "; ".join(told)
        metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION: text}


def _set_container_defaults(container: Json, defaults: dict[str, dict[str, str]], what: str) -> Iterator[str]:
    """Give a container what it leaves open; says what, once for requests and once for limits."""
    for field in ("requests", "limits"):
        given = (container.get("resources") or {}).get(field) or {}
        missing = {name: text for name, text in defaults[field].items() if name not in given}
        if missing:
            resources = container.get("resources") or {}
            container["resources"] = {**resources, field: {**given, **missing}}
            yield f"{', '.join(sorted(missing))} {field.removesuffix('s')} for {what}"


def _violations(plural: str, obj: Json, limit_range: Json) -> Iterator[str]:
    spec = obj.get("spec") or {}
    if plural == _CLAIMS:
        for item in _items(limit_range, "PersistentVolumeClaim"):
            requests = (spec.get("resources") or {}).get("requests") or {}
            yield from violations(item, Bounds("PersistentVolumeClaim", requests, {}, requests_only=True))
        return
    for item in _items(limit_range, "Container"):
        for field in ("containers", "initContainers"):
            for container in spec.get(field) or ():
                resources = container.get("resources") or {}
                yield from violations(
                    item, Bounds("Container", resources.get("requests") or {}, resources.get("limits") or {})
                )
    for item in _items(limit_range, "Pod"):
        yield from violations(item, Bounds("Pod", pod_requests(spec, overhead=False), pod_limits(spec, overhead=False)))


def mutating(context: AdmissionContext) -> MutatingPlugin:
    return LimitRanger(context.reader)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return LimitRanger(context.reader)
