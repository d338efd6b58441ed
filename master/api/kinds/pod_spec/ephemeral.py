"""Validation of ephemeral containers and of their additions.

They come to a running pod through pods/ephemeralcontainers only, and never go: `kubectl debug` is their client.
Source: validateEphemeralContainers and ValidatePodEphemeralContainersUpdate.
"""

from typing import Any

from master.api.kinds.pod_spec.containers import validate_common, validate_container_name
from master.api.kinds.pod_spec.updates import same_meaning
from master.api.kinds.rules.field_errors import forbidden, not_found
from master.client.errors import Cause

Json = dict[str, Any]

_MIRROR = "kubernetes.io/config.mirror"
_REFUSED = "cannot be set for an Ephemeral Container"
_ALLOWED = frozenset(
    {
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "envFrom",
        "env",
        "volumeMounts",
        "volumeDevices",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "tty",
        "targetContainerName",
    }
)


def validate_ephemeral_containers(spec: Json, path: str) -> list[Cause]:
    """Every error of `spec.ephemeralContainers`, defaulted."""
    causes: list[Cause] = []
    volumes = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    others = {one.get("name") or "" for field in ("containers", "initContainers") for one in spec.get(field) or ()}
    seen = set(others)
    host_network = bool(spec.get("hostNetwork"))
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        where = f"{path}.ephemeralContainers[{index}]"
        causes.extend(validate_common(container, volumes, where, host_network=host_network))
        causes.extend(validate_container_name(container, seen, where))
        target = container.get("targetContainerName") or ""
        if target and target not in others:
            causes.append(not_found(f"{where}.targetContainerName", target))
        set_fields = sorted(field for field, value in container.items() if field not in _ALLOWED and value)
        causes.extend(forbidden(f"{where}.{field}", _REFUSED) for field in set_fields)
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    causes.append(forbidden(f"{where}.volumeMounts[{number}].{field}", _REFUSED))
    return causes


def validate_ephemeral_update(obj: Json, old: Json) -> list[Cause]:
    """What is there stays as it is; more may come."""
    if _MIRROR in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods do not support ephemeral containers")]
    causes: list[Cause] = []
    path = "spec.ephemeralContainers"
    now = {one.get("name"): one for one in obj["spec"].get("ephemeralContainers") or ()}
    for before in (old.get("spec") or {}).get("ephemeralContainers") or ():
        name = before.get("name")
        if name not in now:
            causes.append(forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif not same_meaning(now[name], before):
            causes.append(forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n'))
    return causes
