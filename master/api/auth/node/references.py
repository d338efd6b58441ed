"""What a pod refers to: the Secrets, ConfigMaps, claims and service account that its node needs to run it.

Pure functions over a pod in plain JSON. Sources: pkg/api/v1/pod VisitPodSecretNames and VisitPodConfigmapNames, the node
authoriser's graph (plugin/pkg/auth/authorizer/node/graph.go).
"""

from collections.abc import Iterator

from master.client.protocol import Json

MIRROR_POD = "kubernetes.io/config.mirror"
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
#: Volume types with a reference to a Secret, and the field that holds it.
_SECRET_REFS = {
    "cephfs": "secretRef",
    "cinder": "secretRef",
    "csi": "nodePublishSecretRef",
    "flexVolume": "secretRef",
    "iscsi": "secretRef",
    "rbd": "secretRef",
    "scaleIO": "secretRef",
    "storageos": "secretRef",
}


def is_mirror(pod: Json) -> bool:
    """A pod that a node made to show one of its own: it gives the node nothing."""
    return MIRROR_POD in (pod["metadata"].get("annotations") or {})


def secrets_of(pod: Json) -> set[str]:
    """The names of all Secrets that a pod refers to."""
    spec = pod.get("spec") or {}
    names = {_name(reference) for reference in spec.get("imagePullSecrets") or ()}
    names |= _environment(spec, "secretKeyRef", "secretRef")
    for volume in spec.get("volumes") or ():
        names.add((volume.get("secret") or {}).get("secretName") or "")
        names.add((volume.get("azureFile") or {}).get("secretName") or "")
        names |= {_name((volume.get(kind) or {}).get(field)) for kind, field in _SECRET_REFS.items()}
        names |= {_name(source.get("secret")) for source in _projected(volume)}
    return names - {""}


def config_maps_of(pod: Json) -> set[str]:
    """The names of all ConfigMaps that a pod refers to."""
    spec = pod.get("spec") or {}
    names = _environment(spec, "configMapKeyRef", "configMapRef")
    for volume in spec.get("volumes") or ():
        names.add(_name(volume.get("configMap")))
        names |= {_name(source.get("configMap")) for source in _projected(volume)}
    return names - {""}


def claims_of(pod: Json) -> set[str]:
    """The names of all PersistentVolumeClaims that a pod uses, those made for it among them."""
    names = set()
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        names.add((volume.get("persistentVolumeClaim") or {}).get("claimName") or "")
        if volume.get("ephemeral"):
            names.add(f"{pod['metadata']['name']}-{volume.get('name')}")
    return names - {""}


def uses_trust_bundles(pod: Json) -> bool:
    """Whether a pod mounts a ClusterTrustBundle."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return any("clusterTrustBundle" in source for volume in volumes for source in _projected(volume))


def service_account_of(pod: Json) -> str:
    return (pod.get("spec") or {}).get("serviceAccountName") or ""


def volume_secrets(volume: Json) -> Iterator[tuple[str, str]]:
    """Namespace and name of each Secret that a PersistentVolume refers to."""
    spec = volume.get("spec") or {}
    claim_namespace = (spec.get("claimRef") or {}).get("namespace") or ""
    azure = spec.get("azureFile") or {}
    if azure.get("secretName"):
        yield azure.get("secretNamespace") or claim_namespace, azure["secretName"]
    csi = spec.get("csi") or {}
    references: list[Json | None] = [(spec.get(kind) or {}).get(field) for kind, field in _SECRET_REFS.items()]
    references += [csi.get(name) for name in ("nodeStageSecretRef", "nodeExpandSecretRef")]
    for reference in references:
        name = _name(reference)
        if reference and name:
            yield reference.get("namespace") or claim_namespace, name


def _environment(spec: Json, key_reference: str, whole_reference: str) -> set[str]:
    names: set[str] = set()
    for kind in _CONTAINERS:
        for container in spec.get(kind) or ():
            for variable in container.get("env") or ():
                names.add(_name((variable.get("valueFrom") or {}).get(key_reference)))
            for source in container.get("envFrom") or ():
                names.add(_name(source.get(whole_reference)))
    return names


def _projected(volume: Json) -> list[Json]:
    return (volume.get("projected") or {}).get("sources") or []


def _name(reference: Json | None) -> str:
    return (reference or {}).get("name") or ""
