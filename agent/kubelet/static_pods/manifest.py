"""From a file's bytes to a static pod. Pure; called by `agent.kubelet.static_pods.source`.

As kubelet: the name gets the node's behind it, the uid is a hash of node, file and content, so that a changed file is another
pod. A static pod may not refer to objects of the API: it must run without it, and a node may not read them for it.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import yaml
from lightkube.models.core_v1 import Pod
from lightkube.resources.core_v1 import Pod as PodResource

from agent.kubelet.critical import SOURCE
from agent.volumes.protocol import MountFailed
from agent.volumes.registry import plugin_for
from proto.k8s.quantity import parse as parse_quantity
from proto.k8s.time import format_time

HASH = "kubernetes.io/config.hash"
SEEN = "kubernetes.io/config.seen"
MIRROR = "kubernetes.io/config.mirror"

#: Of one manifest, in bytes. What is larger could not be shown in the API either.
MAX_BYTES = 1 << 20

Json = dict[str, Any]
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_CONTAINERS = ("initContainers", "containers")
#: Volumes whose files come from the API, and what they refer to.
_REFERRING = {
    "configMap": "configmaps",
    "secret": "secrets",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims",
    "csi": "CSI drivers",
}


class InvalidManifest(ValueError):
    """No static pod; the message says what is wrong with it."""


def static_pod(content: bytes, *, file: str, node: str, seen: datetime) -> Pod:
    """file: the path, as it is shown to people. Raises InvalidManifest."""
    value = _object(content)
    problem = next(_problems(value), "")
    if problem:
        raise InvalidManifest(problem)
    metadata, spec = value["metadata"], value["spec"]
    uid = uid_of(content, file=file, node=node)
    name = f"{metadata['name']}-{node.lower()}"
    if len(name) > 253 or not _SUBDOMAIN.match(name):
        raise InvalidManifest(f"metadata.name: {metadata['name']!r} is not a lowercase RFC 1123 subdomain")
    annotations = {**(metadata.get("annotations") or {}), HASH: uid, SEEN: format_time(seen), SOURCE: "file"}
    made = {**metadata, "name": name, "namespace": metadata.get("namespace") or "default", "uid": uid}
    # No problem of the node ends it.
    tolerations = [*(spec.get("tolerations") or []), {"operator": "Exists", "effect": "NoExecute"}]
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**made, "annotations": annotations},
        "spec": {**_with_text_quantities(spec), "nodeName": node, "tolerations": tolerations},
    }
    try:
        pod: Pod = msgspec.convert(manifest, PodResource)
    except msgspec.ValidationError as error:
        raise InvalidManifest(str(error)) from error
    _check_volumes(pod)
    return pod


def uid_of(content: bytes, *, file: str, node: str) -> str:
    """See agent.kubelet.critical.is_static_uid."""
    return hashlib.md5(f"host:{node}\0file:{file}\0".encode() + content, usedforsecurity=False).hexdigest()


def _with_text_quantities(spec: Json) -> Json:
    """YAML lets people write quantities as numbers (`cpu: 1`); the API's types hold text."""
    made = dict(spec)
    for field in _CONTAINERS:
        if isinstance(spec.get(field), list):
            made[field] = [_with_text_resources(one) for one in spec[field]]
    volumes = []
    for volume in spec.get("volumes") or ():
        empty = volume.get("emptyDir") if isinstance(volume, dict) else None
        if isinstance(empty, dict) and isinstance(empty.get("sizeLimit"), int):
            volume = {**volume, "emptyDir": {**empty, "sizeLimit": str(empty["sizeLimit"])}}
        volumes.append(volume)
    return {**made, "volumes": volumes} if volumes else made


def _with_text_resources(container: Json) -> Json:
    resources = container.get("resources")
    if not isinstance(resources, dict):
        return container
    made = dict(resources)
    for which in ("requests", "limits"):
        if isinstance(resources.get(which), dict):
            made[which] = {name: str(quantity) for name, quantity in resources[which].items()}
    return {**container, "resources": made}


def _object(content: bytes) -> Json:
    if len(content) > MAX_BYTES:
        raise InvalidManifest(f"larger than {MAX_BYTES} bytes")
    try:
        # JSON is YAML too; one document.
        value = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidManifest(f"neither YAML nor JSON of one object: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise InvalidManifest("holds no object")
    if (value.get("apiVersion"), value.get("kind")) != ("v1", "Pod"):
        raise InvalidManifest(f"holds no v1 Pod but a {value.get('apiVersion')} {value.get('kind')}")
    return value


def _problems(value: Json) -> Iterator[str]:
    """What keeps it from being a static pod, in the manifest's own words."""
    metadata, spec = value.get("metadata"), value.get("spec")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        yield "metadata.name: Required value"
        return
    namespace = metadata.get("namespace")
    if namespace is not None and not (isinstance(namespace, str) and _LABEL.match(namespace)):
        yield "metadata.namespace: is not a lowercase RFC 1123 label"
    if not isinstance(spec, dict):
        yield "spec: Required value"
        return
    if spec.get("ephemeralContainers"):
        yield "spec.ephemeralContainers: static pods do not support ephemeral containers"
    names: set[str] = set()
    for field in _CONTAINERS:
        given = spec.get(field) or []
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            yield f"spec.{field}: must be a list of containers"
            return
        if field == "containers" and not given:
            yield "spec.containers: Required value"
        for index, container in enumerate(given):
            yield from _container_problems(f"spec.{field}[{index}]", container, names)
    resource = next(_references(spec), "")
    if resource:
        yield f"static pods can not reference {resource}"


def _container_problems(path: str, container: Json, names: set[str]) -> Iterator[str]:
    name, image = container.get("name"), container.get("image")
    if not isinstance(name, str) or len(name) > 63 or not _LABEL.match(name):
        yield f"{path}.name: is not a lowercase RFC 1123 label"
    elif name in names:
        yield f'{path}.name: Duplicate value: "{name}"'
    else:
        names.add(name)
    if not isinstance(image, str) or not image.strip():
        yield f"{path}.image: Required value"
    resources = container.get("resources")
    for which in ("requests", "limits"):
        found = (resources.get(which) if isinstance(resources, dict) else None) or {}
        for resource, quantity in found.items() if isinstance(found, dict) else ():
            try:
                parse_quantity(quantity)
            except (ValueError, TypeError) as error:
                yield f"{path}.resources.{which}[{resource}]: {error}"


def _references(spec: Json) -> Iterator[str]:
    """The resources of the API that a pod's spec refers to."""
    if spec.get("serviceAccountName") or spec.get("serviceAccount"):
        yield "serviceaccounts"
    if spec.get("imagePullSecrets"):
        yield "secrets"
    if spec.get("resourceClaims"):
        yield "resourceclaims"
    for volume in _mappings(spec.get("volumes")):
        yield from (resource for source, resource in _REFERRING.items() if volume.get(source) is not None)
        projected = volume.get("projected")
        for source in _mappings(projected.get("sources") if isinstance(projected, dict) else None):
            for name, resource in (
                ("secret", "secrets"),
                ("configMap", "configmaps"),
                ("serviceAccountToken", "serviceaccounts"),
                ("clusterTrustBundle", "clustertrustbundles"),
            ):
                if source.get(name) is not None:
                    yield resource
    for field in _CONTAINERS:
        for container in _mappings(spec.get(field)):
            for source in _mappings(container.get("envFrom")):
                yield from _sources(source, "configMapRef", "secretRef")
            for variable in _mappings(container.get("env")):
                origin = variable.get("valueFrom")
                if isinstance(origin, dict):
                    yield from _sources(origin, "configMapKeyRef", "secretKeyRef")


def _sources(origin: Json, config_map: str, secret: str) -> Iterator[str]:
    if origin.get(config_map) is not None:
        yield "configmaps"
    if origin.get(secret) is not None:
        yield "secrets"


def _mappings(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))


def _check_volumes(pod: Pod) -> None:
    assert pod.spec is not None
    for volume in pod.spec.volumes or ():
        try:
            plugin_for(volume)
        except MountFailed as error:
            raise InvalidManifest(f'spec.volumes: "{volume.name}": {error}') from error
