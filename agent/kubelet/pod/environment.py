"""A container's environment and its expansion in commands. Pure: reads objects that are at hand.

Order and precedence as kubelet's makeEnvironmentVariables: service variables, envFrom, env; later wins; $(VAR) refers to
what stands before. https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lightkube.models.core_v1 import Container, EnvVarSource, Pod, Service

from agent.kubelet.labels import identity
from agent.kubelet.pods import spec_of
from agent.volumes.downward import UnsupportedField, metadata_field
from agent.volumes.references import ObjectMissing, References, config_map_value, secret_value
from agent.volumes.resource_field import resource_field

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\)|)")
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*\Z")


class InvalidContainer(Exception):
    """The container cannot be configured as its manifest asks: it waits with this reason and message."""

    def __init__(self, message: str, *, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What fieldRef and resourceFieldRef may ask of the node. Allocatable: cores and bytes as quantities."""

    name: str
    ips: tuple[str, ...]
    allocatable: Mapping[str, str] = field(default_factory=dict)
    #: The engine's OCI runtimes; none while it has not told.
    runtimes: tuple[str, ...] = ()


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME); $$ is a dollar; an unknown name stays as it is written."""

    def one(match: re.Match[str]) -> str:
        if match.group(1) == "$":
            return "$"
        name = match.group(2)
        if name is None:
            return match.group(0)
        return variables.get(name, match.group(0))

    return _REFERENCE.sub(one, text)


def unknown_names(text: str, variables: Mapping[str, str]) -> list[str]:
    """What `expand` would leave as it is written, sorted."""
    names = (match.group(2) for match in _REFERENCE.finditer(text) if match.group(1) != "$")
    return sorted({name for name in names if name is not None and name not in variables})


def needs_pod_ip(container: Container) -> bool:
    """Whether it can be made only once the pod's address is known."""
    return any(
        env.valueFrom is not None
        and env.valueFrom.fieldRef is not None
        and env.valueFrom.fieldRef.fieldPath in ("status.podIP", "status.podIPs")
        for env in container.env or []
    )


def environment(
    pod: Pod,
    container: Container,
    *,
    references: References,
    services: Mapping[str, str],
    node: NodeFacts,
    pod_ips: tuple[str, ...],
) -> dict[str, str]:
    """Raises ObjectMissing (a config map, secret or key) and InvalidContainer."""
    result: dict[str, str] = {}
    for source in container.envFrom or []:
        prefix = source.prefix or ""
        if source.configMapRef is not None:
            optional = bool(source.configMapRef.optional)
            found = references.config_map(source.configMapRef.name or "", optional=optional)
            values: Mapping[str, str] = (found.data or {}) if found is not None else {}
        elif source.secretRef is not None:
            secret = references.secret(source.secretRef.name or "", optional=bool(source.secretRef.optional))
            values = {key: _text(b64decode(value)) for key, value in (secret.data or {}).items()} if secret is not None else {}
        else:
            values = {}
        for key, value in values.items():
            if _NAME.match(prefix + key):
                result[prefix + key] = value
    known = {**services, **result}
    for env in container.env or []:
        if env.valueFrom is None:
            value = expand(env.value or "", known)
        else:
            found_value = _value(pod, container, env.valueFrom, references=references, node=node, pod_ips=pod_ips)
            if found_value is None:
                continue
            value = found_value
        known[env.name] = result[env.name] = value
    # Service variables never override what the container sets itself.
    return {**{name: value for name, value in services.items() if name not in result}, **result}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _value(
    pod: Pod, container: Container, source: EnvVarSource, *, references: References, node: NodeFacts, pod_ips: tuple[str, ...]
) -> str | None:
    if source.configMapKeyRef is not None:
        key = source.configMapKeyRef
        found = config_map_value(references, key.name or "", key.key, optional=bool(key.optional))
        return None if found is None else _text(found)
    if source.secretKeyRef is not None:
        secret_key = source.secretKeyRef
        found = secret_value(references, secret_key.name or "", secret_key.key, optional=bool(secret_key.optional))
        return None if found is None else _text(found)
    if source.fieldRef is not None:
        return _field(pod, source.fieldRef.fieldPath, node=node, pod_ips=pod_ips)
    if source.resourceFieldRef is not None:
        reference = source.resourceFieldRef
        target = container
        if reference.containerName and reference.containerName != container.name:
            named = [one for one in spec_of(pod).containers if one.name == reference.containerName]
            if not named:
                raise InvalidContainer(f"container {reference.containerName} not found")
            target = named[0]
        try:
            return resource_field(target, reference.resource, reference.divisor, node.allocatable)
        except UnsupportedField as error:
            raise InvalidContainer(str(error)) from error
    raise InvalidContainer("an environment variable has no source that this node knows")


def _field(pod: Pod, path: str, *, node: NodeFacts, pod_ips: tuple[str, ...]) -> str:
    match path:
        case "spec.nodeName":
            return node.name
        case "spec.serviceAccountName":
            return spec_of(pod).serviceAccountName or ""
        case "status.hostIP":
            return node.ips[0] if node.ips else ""
        case "status.hostIPs":
            return ",".join(node.ips)
        case "status.podIP":
            return pod_ips[0] if pod_ips else ""
        case "status.podIPs":
            return ",".join(pod_ips)
    try:
        return metadata_field(pod, path)
    except UnsupportedField as error:
        raise InvalidContainer(str(error)) from error


def service_environment(services: Iterable[Service], namespace: str, *, links: bool) -> dict[str, str]:
    """What containers learn of Services by environment; with `links` false only of the API's own.

    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    result: dict[str, str] = {}
    for service in services:
        metadata, spec = service.metadata, service.spec
        if metadata is None or spec is None or not spec.ports or spec.clusterIP in (None, "", "None"):
            continue
        master = metadata.namespace == "default" and metadata.name == "kubernetes"
        if not master and not (links and metadata.namespace == namespace):
            continue
        address = spec.clusterIP
        name = (metadata.name or "").upper().replace("-", "_")
        first = spec.ports[0]
        result[f"{name}_SERVICE_HOST"] = str(address)
        result[f"{name}_SERVICE_PORT"] = str(first.port)
        for port in spec.ports:
            if port.name:
                result[f"{name}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
        for port in spec.ports:
            protocol = (port.protocol or "TCP").lower()
            host = f"[{address}]" if ":" in str(address) else address
            url = f"{protocol}://{host}:{port.port}"
            link = f"{name}_PORT_{port.port}_{protocol.upper()}"
            if port is first:
                result[f"{name}_PORT"] = url
            result |= {
                link: url,
                f"{link}_PROTO": protocol,
                f"{link}_PORT": str(port.port),
                f"{link}_ADDR": str(address),
            }
    return result


def expanded(words: Iterable[str] | None, variables: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(word, variables) for word in words or ())


def describe(error: ObjectMissing | InvalidContainer, pod: Pod) -> str:
    """The message of CreateContainerConfigError."""
    if isinstance(error, ObjectMissing) and error.key is not None:
        return f"couldn't find key {error.key} in {error.kind} {identity(pod).namespace}/{error.name}"
    return str(error)
