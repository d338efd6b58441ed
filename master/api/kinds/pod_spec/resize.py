"""In-place resize of a pod's containers (KEP-1287): what may change through pods/resize, and how containers take it.

Only cpu and memory of containers that stay as they are otherwise; the node does the rest. Pure. Source: dropNonResizeUpdates
and ValidatePodResize.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from master.api.kinds.pod_spec.qos import qos_class
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required
from master.api.kinds.rules.semantic import semantic
from master.client.errors import Cause
from proto.k8s.quantity import parse

Json = dict[str, Any]

RESOURCES = ("cpu", "memory")
RESTART_POLICIES = ("NotRequired", "RestartContainer")
_MIRROR = "kubernetes.io/config.mirror"
_FIELDS = ("containers", "initContainers")


def default_resize_policies(spec: Json) -> None:
    """A container of a new pod that asks for cpu or memory can be resized without a restart, unless it says otherwise."""
    for container in _resizable(spec):
        resources, policies = container.get("resources") or {}, container.get("resizePolicy") or []
        asked = {*(resources.get("requests") or ()), *(resources.get("limits") or ())}
        said = {policy.get("resourceName") for policy in policies}
        missing = [name for name in RESOURCES if name in asked and name not in said]
        if missing:
            added = [{"resourceName": name, "restartPolicy": "NotRequired"} for name in missing]
            container["resizePolicy"] = [*policies, *added]


def keep_resize_policies(spec: Json, before: Json) -> None:
    """An update that leaves them out means what they were."""
    for field in _FIELDS:
        for container, old in zip(spec.get(field) or (), before.get(field) or (), strict=False):
            if "resizePolicy" not in container and old.get("resizePolicy") and container.get("name") == old.get("name"):
                container["resizePolicy"] = deepcopy(old["resizePolicy"])


def resized(before: Json, wanted: Json) -> Json:
    """The spec with the resources of another. Containers that come, go or change places stay so, for validation to see."""
    spec = deepcopy(before)
    if any(_names(wanted, field) != _names(before, field) for field in _FIELDS):
        return {**spec, **{field: deepcopy(wanted[field]) for field in _FIELDS if field in wanted}}
    for field in _FIELDS:
        for container, new in zip(spec.get(field) or (), wanted.get(field) or (), strict=True):
            for name in ("resources", "resizePolicy"):
                if name in new:
                    container[name] = deepcopy(new[name])
                else:
                    container.pop(name, None)
    return spec


def validate_resize_policies(container: Json, path: str, *, restarts: bool) -> list[Cause]:
    """`restarts`: the pod's containers are started again when they end."""
    causes: list[Cause] = []
    seen: set[str] = set()
    for policy in container.get("resizePolicy") or ():
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            causes.append(duplicate(path, name))
        seen.add(name)
        for value, supported in ((name, RESOURCES), (restart, RESTART_POLICIES)):
            if not value:
                causes.append(required(path))
            elif value not in supported:
                causes.append(not_supported(path, value, supported))
        if not restarts and restart != "NotRequired":
            causes.append(invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'"))
    return causes


def validate_resize(obj: Json, old: Json) -> list[Cause]:
    """Errors of what a resize changes; the spec's own are the caller's to find."""
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    if _MIRROR in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods cannot be resized")]
    if (before.get("os") or {}).get("name") == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    causes: list[Cause] = []
    if qos_class(spec) != (old.get("status") or {}).get("qosClass", qos_class(before)):
        causes.append(forbidden("spec", "Pod QOS Class may not change as a result of resizing"))
    if not _node_resizes(old):
        causes.append(forbidden("spec", "Pod running on node without support for resize"))
    order = _validate_order(spec, before)
    if order:
        return causes + order
    for field in _FIELDS:
        for index, (new, was) in enumerate(zip(spec.get(field) or (), before.get(field) or (), strict=True)):
            causes.extend(_validate_container(new, was, f"spec.{field}[{index}]", init=field == "initContainers"))
    return causes


def _validate_order(spec: Json, before: Json) -> list[Cause]:
    causes: list[Cause] = []
    for field, what in (("containers", "containers"), ("initContainers", "initContainers")):
        new, was = _names(spec, field), _names(before, field)
        if len(new) != len(was):
            causes.append(forbidden(f"spec.{field}", f"{what} may not be added or removed on resize"))
        elif new != was:
            causes.append(forbidden(f"spec.{field}", f"{what} may not be renamed or reordered on resize"))
    return causes


def _validate_container(new: Json, was: Json, path: str, *, init: bool) -> list[Cause]:
    if init and was.get("restartPolicy") != "Always":
        same = semantic(new) == semantic(was)
        return [] if same else [forbidden("spec", "resources for non-sidecar init containers are immutable")]
    causes: list[Cause] = []
    for kind in ("requests", "limits"):
        now, before = _amounts(new, kind), _amounts(was, kind)
        gone = [name for name in before if name not in now]
        if gone:
            causes.append(forbidden(f"{path}.resources.{kind}", f"resource {kind} cannot be removed"))
    limit, former = _amounts(new, "limits").get("memory"), _amounts(was, "limits").get("memory")
    restarts = {"resourceName": "memory", "restartPolicy": "RestartContainer"} in (new.get("resizePolicy") or ())
    if limit is not None and former is not None and parse(limit) < parse(former) and not restarts:
        message = "memory limits cannot be decreased unless resizePolicy is RestartContainer"
        causes.append(forbidden(f"{path}.resources.limits", message))
    if semantic(_without_resizable(new)) != semantic(_without_resizable(was)):
        causes.append(forbidden("spec", "only cpu and memory resources are mutable"))
    return causes


def _without_resizable(container: Json) -> Json:
    resources = {
        kind: {name: amount for name, amount in amounts.items() if name not in RESOURCES}
        if kind in ("requests", "limits")
        else amounts
        for kind, amounts in (container.get("resources") or {}).items()
    }
    return {**container, "resources": resources}


def _node_resizes(pod: Json) -> bool:
    """Whether the pod's node says what its running containers have, as one that can resize does."""
    statuses: Sequence[Json] = (pod.get("status") or {}).get("containerStatuses") or ()
    running = next((status for status in statuses if (status.get("state") or {}).get("running") is not None), None)
    return running is None or running.get("resources") is not None


def _resizable(spec: Json) -> Iterator[Json]:
    yield from spec.get("containers") or ()
    yield from (container for container in spec.get("initContainers") or () if container.get("restartPolicy") == "Always")


def _names(spec: Json, field: str) -> list[Any]:
    return [container.get("name") for container in spec.get(field) or ()]


def _amounts(container: Json, kind: str) -> Json:
    return (container.get("resources") or {}).get(kind) or {}
