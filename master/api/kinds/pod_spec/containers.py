"""Validation of containers: regular and init ones, and what ephemeral ones share with them.

Source: validateContainers, validateInitContainers, validateContainerCommon.
"""

from collections.abc import Mapping
from typing import Any

from master.api.kinds.pod_spec.env import validate_env
from master.api.kinds.pod_spec.ports import validate_container_ports
from master.api.kinds.pod_spec.probes import validate_lifecycle, validate_probe
from master.api.kinds.pod_spec.resize import validate_resize_policies
from master.api.kinds.pod_spec.resources import validate_resources
from master.api.kinds.pod_spec.security import validate_container_security
from master.api.kinds.pod_spec.volume_mounts import validate_volume_devices, validate_volume_mounts
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required
from master.client.errors import Cause

Json = dict[str, Any]

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_SIDECAR_ONLY = "may not be set for init containers without restartPolicy=Always"


def validate_containers(spec: Json, volumes: Mapping[str, Json], path: str) -> list[Cause]:
    """Every error of `spec.containers` and `spec.initContainers`. `volumes`: the pod's volumes by name."""
    causes: list[Cause] = []
    containers, init_containers = spec.get("containers") or [], spec.get("initContainers") or []
    host_network, restarts = bool(spec.get("hostNetwork")), spec.get("restartPolicy") != "Never"
    if not containers:
        causes.append(required(f"{path}.containers"))
    seen: set[str] = set()
    for index, container in enumerate(containers):
        where = f"{path}.containers[{index}]"
        causes.extend(validate_common(container, volumes, where, host_network=host_network))
        causes.extend(validate_container_name(container, seen, where))
        if container.get("restartPolicy"):
            causes.append(forbidden(f"{where}.restartPolicy", "may not be set for non-init containers"))
        causes.extend(validate_resize_policies(container, f"{where}.resizePolicy", restarts=restarts))
        causes.extend(validate_lifecycle(container.get("lifecycle"), f"{where}.lifecycle"))
        for probe in _PROBES:
            causes.extend(validate_probe(container.get(probe), f"{where}.{probe}", kind=probe))
    for index, container in enumerate(init_containers):
        where = f"{path}.initContainers[{index}]"
        causes.extend(validate_common(container, volumes, where, host_network=host_network))
        causes.extend(validate_container_name(container, seen, where))
        causes.extend(_validate_init(container, where, restarts=restarts))
    causes.extend(_validate_host_ports(containers, f"{path}.containers"))
    return causes


def validate_container_name(container: Json, seen: set[str], path: str) -> list[Cause]:
    """`seen`: the names so far; this one joins them."""
    name = container.get("name") or ""
    if not name:
        return [required(f"{path}.name")]
    causes = [invalid(f"{path}.name", name, why) for why in names.dns1123_label(name)]
    if name in seen:
        causes.append(duplicate(f"{path}.name", name))
    seen.add(name)
    return causes


def _validate_init(container: Json, path: str, *, restarts: bool) -> list[Cause]:
    causes: list[Cause] = []
    policy = container.get("restartPolicy")
    if policy and policy != "Always":
        causes.append(not_supported(f"{path}.restartPolicy", policy, ["Always"]))
    if policy == "Always":
        causes.extend(validate_resize_policies(container, f"{path}.resizePolicy", restarts=restarts))
        causes.extend(validate_lifecycle(container.get("lifecycle"), f"{path}.lifecycle"))
        for probe in _PROBES:
            causes.extend(validate_probe(container.get(probe), f"{path}.{probe}", kind=probe))
    else:
        if container.get("resizePolicy"):
            causes.append(invalid(f"{path}.resizePolicy", container["resizePolicy"], "must not be set for init containers"))
        causes.extend(
            forbidden(f"{path}.{field}", _SIDECAR_ONLY)
            for field in ("lifecycle", *_PROBES)
            if container.get(field) is not None
        )
    return causes


def validate_common(container: Json, volumes: Mapping[str, Json], path: str, *, host_network: bool) -> list[Cause]:
    """What holds for containers of every type."""
    causes: list[Cause] = []
    image = container.get("image") or ""
    if not image:
        causes.append(required(f"{path}.image"))
    elif image != image.strip():
        causes.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    policy = container.get("terminationMessagePolicy")
    if not policy:
        causes.append(required(f"{path}.terminationMessagePolicy"))
    elif policy not in MESSAGE_POLICIES:
        causes.append(not_supported(f"{path}.terminationMessagePolicy", policy, MESSAGE_POLICIES))
    pull = container.get("imagePullPolicy")
    if not pull:
        causes.append(required(f"{path}.imagePullPolicy"))
    elif pull not in PULL_POLICIES:
        causes.append(not_supported(f"{path}.imagePullPolicy", pull, PULL_POLICIES))
    causes.extend(validate_container_ports(container.get("ports") or (), f"{path}.ports", host_network=host_network))
    causes.extend(validate_env(container, path))
    causes.extend(validate_volume_mounts(container, volumes, path))
    causes.extend(validate_volume_devices(container, volumes, f"{path}.volumeDevices"))
    causes.extend(validate_resources(container.get("resources") or {}, f"{path}.resources"))
    causes.extend(validate_container_security(container.get("securityContext"), f"{path}.securityContext"))
    return causes


def _validate_host_ports(containers: list[Json], path: str) -> list[Cause]:
    """Two containers of a pod cannot have the same port of the host."""
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in seen:
                causes.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", key))
            seen.add(key)
    return causes
