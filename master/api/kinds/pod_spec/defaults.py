"""Defaults of a pod spec (k8s.io/kubernetes pkg/apis/core/v1/defaults.go). In place; called before validation.

A field that the client set to null was dropped before; only absent fields are filled.
"""

from collections.abc import Iterator
from typing import Any

from master.api.kinds.pod_spec.volume_sources import default_source
from master.api.kinds.rules.claims import default_claim_spec

Json = dict[str, Any]

DEFAULT_SCHEDULER = "default-scheduler"
GRACE_PERIOD_SECONDS = 30


def default_pod_spec(spec: Json) -> None:
    """Fill in what a client may leave out of a pod spec."""
    spec.setdefault("restartPolicy", "Always")
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    spec.setdefault("terminationGracePeriodSeconds", GRACE_PERIOD_SECONDS)
    spec.setdefault("securityContext", {})
    if not spec.get("schedulerName"):
        spec["schedulerName"] = DEFAULT_SCHEDULER
    # Either name of the service account sets the other: the older one is still read by older clients.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    for container in containers_of(spec):
        _default_container(container, host_network=bool(spec.get("hostNetwork")))
    for constraint in spec.get("topologySpreadConstraints") or ():
        constraint["whenUnsatisfiable"] = constraint.get("whenUnsatisfiable") or "DoNotSchedule"


def default_pod(spec: Json) -> None:
    """Fill in what only a Pod has and a template has not: requests from limits, service links."""
    for container in containers_of(spec):
        resources = container.get("resources") or {}
        if limits := resources.get("limits"):
            requests = resources.setdefault("requests", {})
            for name, quantity in limits.items():
                requests.setdefault(name, quantity)
    spec.setdefault("enableServiceLinks", True)


def containers_of(spec: Json) -> Iterator[Json]:
    """All containers of a pod spec: init, regular and ephemeral ones."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def default_pull_policy(image: str) -> str:
    """Always for `latest`, IfNotPresent for a fixed tag or digest."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _default_container(container: Json, *, host_network: bool) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = default_pull_policy(container.get("image") or "")
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if host_network and not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]
    for env in container.get("env") or ():
        reference = (env.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := container.get(field)) is not None:
            _default_probe(probe)
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet") is not None:
            _default_http_get(hook["httpGet"])


def _default_probe(probe: Json) -> None:
    if probe.get("httpGet") is not None:
        _default_http_get(probe["httpGet"])
    if probe.get("grpc") is not None:
        probe["grpc"].setdefault("service", "")
    for field, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        if not probe.get(field):
            probe[field] = value


def _default_http_get(action: Json) -> None:
    if not action.get("path"):
        action["path"] = "/"
    if not action.get("scheme"):
        action["scheme"] = "HTTP"


_FILE_MODE = 0o644
#: Each volume has exactly one of these.
VOLUME_SOURCES = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "configMap", "csi", "downwardAPI", "emptyDir",
    "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk", "gitRepo", "glusterfs", "hostPath", "image", "iscsi",
    "nfs", "persistentVolumeClaim", "photonPersistentDisk", "portworxVolume", "projected", "quobyte", "rbd", "scaleIO",
    "secret", "storageos", "vsphereVolume",
)  # fmt: skip


def _default_volume(volume: Json) -> None:
    if not any(volume.get(source) is not None for source in VOLUME_SOURCES):
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if (value := volume.get(source)) is not None:
            value.setdefault("defaultMode", _FILE_MODE)
    default_source(volume)
    if (ephemeral := volume.get("ephemeral")) is not None and ephemeral.get("volumeClaimTemplate") is not None:
        default_claim_spec(ephemeral["volumeClaimTemplate"].setdefault("spec", {}))
    if (image := volume.get("image")) is not None and not image.get("pullPolicy"):
        image["pullPolicy"] = default_pull_policy(image.get("reference") or "")
    if (projected := volume.get("projected")) is not None:
        for source in projected.get("sources") or ():
            if (token := source.get("serviceAccountToken")) is not None:
                token.setdefault("expirationSeconds", 3600)
            _default_field_references(source.get("downwardAPI"))
    _default_field_references(volume.get("downwardAPI"))


def _default_field_references(source: Any) -> None:
    for item in (source or {}).get("items") or ():
        if item.get("fieldRef") is not None:
            item["fieldRef"].setdefault("apiVersion", "v1")
