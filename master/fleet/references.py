"""The ConfigMaps, Secrets and claims that a pod refers to: what its node must have to run it.

Source: https://kubernetes.io/docs/reference/access-authn-authz/node/ (the node authoriser's graph). Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from lightkube.models.core_v1 import Container, EphemeralContainer, PodSpec, Volume
from lightkube.resources.core_v1 import Pod

from proto.k8s.claims import ephemeral_claim_name

Resource = Literal["configmaps", "secrets", "persistentvolumeclaims", "runtimeclasses"]


@dataclass(frozen=True, slots=True)
class Reference:
    """An object by plural, namespace and name; it may not exist (yet)."""

    resource: Resource
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
    pull: Iterator[Found] = (("secrets", secret.name) for secret in spec.imagePullSecrets or ())
    found = chain(pull, _of_volumes(spec.volumes or (), metadata.name or ""), _of_containers(spec))
    needed = {Reference(resource, namespace, name) for resource, name in found if name}
    if spec.runtimeClassName:
        needed.add(Reference("runtimeclasses", "", spec.runtimeClassName))
    return frozenset(needed)


Found = tuple[Resource, str | None]


def _of_volumes(volumes: Iterable[Volume], pod: str) -> Iterator[Found]:
    for volume in volumes:
        if volume.persistentVolumeClaim:
            yield "persistentvolumeclaims", volume.persistentVolumeClaim.claimName
        if volume.ephemeral:
            yield "persistentvolumeclaims", ephemeral_claim_name(pod, volume.name)
        if volume.configMap:
            yield "configmaps", volume.configMap.name
        if volume.secret:
            yield "secrets", volume.secret.secretName
        for source in (volume.projected.sources if volume.projected else None) or ():
            if source.configMap:
                yield "configmaps", source.configMap.name
            if source.secret:
                yield "secrets", source.secret.name


def _of_containers(spec: PodSpec) -> Iterator[Found]:
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
