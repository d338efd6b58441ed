"""The ConfigMaps and Secrets that a pod refers to: what its node must have to run it.

Source: https://kubernetes.io/docs/reference/access-authn-authz/node/ (the node authoriser's graph). Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from lightkube.models.core_v1 import Container, EphemeralContainer, PodSpec, Volume
from lightkube.resources.core_v1 import Pod


@dataclass(frozen=True, slots=True)
class Reference:
    """A ConfigMap or Secret by plural, namespace and name; it may not exist (yet)."""

    resource: Literal["configmaps", "secrets"]
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource}/{self.namespace}/{self.name}"


def references(pod: Pod) -> frozenset[Reference]:
    """All of a pod's references; none for a pod that has ended."""
    spec, metadata, status = pod.spec, pod.metadata, pod.status
    if spec is None or metadata is None or (status is not None and status.phase in ("Succeeded", "Failed")):
        return frozenset()
    namespace = metadata.namespace or ""
    found = chain(
        (("secrets", secret.name) for secret in spec.imagePullSecrets or ()),
        _of_volumes(spec.volumes or ()),
        _of_containers(spec),
    )
    return frozenset(
        Reference("configmaps" if resource == "configmaps" else "secrets", namespace, name) for resource, name in found if name
    )


def _of_volumes(volumes: Iterable[Volume]) -> Iterator[tuple[str, str | None]]:
    for volume in volumes:
        if volume.configMap:
            yield "configmaps", volume.configMap.name
        if volume.secret:
            yield "secrets", volume.secret.secretName
        for source in (volume.projected.sources if volume.projected else None) or ():
            if source.configMap:
                yield "configmaps", source.configMap.name
            if source.secret:
                yield "secrets", source.secret.name


def _of_containers(spec: PodSpec) -> Iterator[tuple[str, str | None]]:
    containers: Iterable[Container | EphemeralContainer] = chain(
        spec.initContainers or (), spec.containers or (), spec.ephemeralContainers or ()
    )
    for container in containers:
        for source in container.envFrom or ():
            if source.configMapRef:
                yield "configmaps", source.configMapRef.name
            if source.secretRef:
                yield "secrets", source.secretRef.name
        for variable in container.env or ():
            origin = variable.valueFrom
            if origin and origin.configMapKeyRef:
                yield "configmaps", origin.configMapKeyRef.name
            if origin and origin.secretKeyRef:
                yield "secrets", origin.secretKeyRef.name
