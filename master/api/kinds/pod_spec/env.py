"""Validation of a container's environment (ValidateEnv, ValidateEnvFrom)."""

import re
from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, not_supported, required
from master.client.errors import Cause

Json = dict[str, Any]

#: Fields that an environment variable may take from its pod.
ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
#: Fields that a volume may take from its pod.
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_CONTAINER_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
_SUBSCRIPT = re.compile(r"(metadata\.(?:annotations|labels))\['(.*)'\]\Z")
_SOURCES = ("configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef")


def validate_env(container: Json, path: str) -> list[Cause]:
    """Errors of `env` and `envFrom`."""
    causes: list[Cause] = []
    for index, variable in enumerate(container.get("env") or ()):
        name = variable.get("name") or ""
        if name and "valueFrom" not in variable and not names.env_var_name(name):
            continue  # most of them: nothing to say, and no path to make for it
        where = f"{path}.env[{index}]"
        if not name:
            causes.append(required(f"{where}.name"))
        else:
            causes.extend(invalid(f"{where}.name", name, why) for why in names.env_var_name(name))
        causes.extend(_validate_value_from(variable, f"{where}.valueFrom"))
    for index, source in enumerate(container.get("envFrom") or ()):
        causes.extend(_validate_env_from(source, f"{path}.envFrom[{index}]"))
    return causes


def validate_field_reference(reference: Json, fields: tuple[str, ...], path: str) -> list[Cause]:
    """An ObjectFieldSelector that may name these fields, or one label or annotation."""
    causes: list[Cause] = []
    version, field = reference.get("apiVersion") or "", reference.get("fieldPath") or ""
    if not version:
        causes.append(required(f"{path}.apiVersion"))
    if not field:
        return [*causes, required(f"{path}.fieldPath")]
    if subscript := _SUBSCRIPT.match(field):
        key = subscript.group(2)
        checked = key.lower() if "annotations" in subscript.group(1) else key
        return causes + [invalid(path, key, why) for why in names.qualified_name(checked)]
    if version and version != "v1":
        message = f"error converting fieldPath: field label not supported: {field}"
        return [*causes, invalid(f"{path}.fieldPath", field, message)]
    if field not in fields:
        causes.append(not_supported(f"{path}.fieldPath", field, fields))
    return causes


def validate_resource_reference(reference: Json, path: str, *, in_volume: bool) -> list[Cause]:
    """A ResourceFieldSelector: a container's own request or limit."""
    resource = reference.get("resource") or ""
    if in_volume and not reference.get("containerName"):
        return [required(f"{path}.containerName")]
    if not resource:
        return [required(f"{path}.resource")]
    if resource not in _CONTAINER_RESOURCES and not resource.startswith(("requests.hugepages-", "limits.hugepages-")):
        return [not_supported(f"{path}.resource", resource, _CONTAINER_RESOURCES)]
    return []


def _validate_value_from(variable: Json, path: str) -> list[Cause]:
    source = variable.get("valueFrom")
    if source is None:
        return []
    causes: list[Cause] = []
    given = [name for name in _SOURCES if source.get(name) is not None]
    if source.get("fieldRef") is not None:
        causes.extend(validate_field_reference(source["fieldRef"], ENV_FIELDS, f"{path}.fieldRef"))
    if source.get("resourceFieldRef") is not None:
        causes.extend(validate_resource_reference(source["resourceFieldRef"], f"{path}.resourceFieldRef", in_volume=False))
    for name in ("configMapKeyRef", "secretKeyRef"):
        if source.get(name) is not None:
            causes.extend(_validate_key_reference(source[name], f"{path}.{name}"))
    if not given:
        message = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        causes.append(invalid(path, "", message))
    elif variable.get("value"):
        causes.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        causes.append(invalid(path, "", "may not have more than one field specified at a time"))
    return causes


def _validate_key_reference(reference: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    key = reference.get("key") or ""
    if not reference.get("name"):
        causes.append(required(f"{path}.name"))
    if not key:
        causes.append(required(f"{path}.key"))
    else:
        causes.extend(invalid(f"{path}.key", key, why) for why in names.config_map_key(key))
    return causes


def _validate_env_from(source: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if prefix := source.get("prefix"):
        causes.extend(invalid(f"{path}.prefix", prefix, why) for why in names.env_var_name(prefix))
    given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
    causes.extend(required(f"{path}.{name}.name") for name in given if not source[name].get("name"))
    if not given:
        causes.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
    elif len(given) > 1:
        causes.append(invalid(path, "", "may not have more than one field specified at a time"))
    return causes
