"""ServiceAccount: a pod runs as an account that exists, with the account's token, pull secrets and limits on secrets.

Mutating: names `default` where none is named, mounts token, CA and namespace into all containers, adds imagePullSecrets.
Validating: the account exists; a mirror pod has none; an account that enforces its mountable secrets is held to them.

`default` is made by its controller a moment after its namespace: a pod waits for it as long as kube-apiserver's does.
Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass

from master.api.admission.protocol import (
    AdmissionContext,
    AdmissionRequest,
    MutatingPlugin,
    ObjectLookup,
    ValidatingPlugin,
)
from master.api.registry.metadata import generated_name
from master.client.errors import StatusError, forbidden
from master.client.protocol import Json
from master.pki.service_account.claims import WARN_ONLY_SECONDS

ORDER = 20
DEFAULT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
MIRROR = "kubernetes.io/config.mirror"
ENFORCE_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"
#: How often and how long apart an account `default` is looked up that is not there yet.
_ATTEMPTS, _PAUSE_SECONDS = 10, 0.1
_CONTAINERS = (
    ("init container", "initContainers"),
    ("container", "containers"),
    ("ephemeral container", "ephemeralContainers"),
)
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


@dataclass(frozen=True, slots=True)
class _Account:
    """What counts of a ServiceAccount. `enforces`: its pods may use its secrets alone."""

    name: str
    automounts: bool | None
    pull_secrets: tuple[str, ...]
    secrets: frozenset[str]
    enforces: bool


class ServiceAccount:
    """Both phases."""

    def __init__(self, reader: ObjectLookup) -> None:
        self._reader = reader

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        if not _concerns(request) or _is_mirror(obj):
            return
        spec = obj.setdefault("spec", {})
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(request, name)
        if _automounts(spec, account):
            mount_token(spec)
        if not spec.get("imagePullSecrets") and account.pull_secrets:
            spec["imagePullSecrets"] = [{"name": name} for name in account.pull_secrets]

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        spec = obj.get("spec") or {}
        if _is_pod(request) and (request.operation, request.subresource) == ("UPDATE", "ephemeralcontainers"):
            await self._validate_ephemeral(request, spec)
            return
        if not _concerns(request):
            return
        if _is_mirror(obj):
            why = _mirror_problem(spec)
        else:
            account = await self._account(request, spec.get("serviceAccountName") or "")
            why = next(_unreferenced(spec, account), "") if account.enforces else ""
        if why:
            raise _refused(request, why)

    async def _validate_ephemeral(self, request: AdmissionRequest, spec: Json) -> None:
        account = await self._account(request, spec.get("serviceAccountName") or "")
        if account.enforces:
            added = {"ephemeralContainers": spec.get("ephemeralContainers")}
            if why := next(_unreferenced(added, account), ""):
                raise _refused(request, why)

    async def _account(self, request: AdmissionRequest, name: str) -> _Account:
        """Raises StatusError 403."""
        pause = random.uniform(_PAUSE_SECONDS, 2 * _PAUSE_SECONDS)
        for attempt in range(_ATTEMPTS if name == DEFAULT else 1):
            if attempt:
                await asyncio.sleep(pause)
            found = await self._reader.lookup("", "serviceaccounts", request.namespace, name, _account)
            if found is not None:
                return found
        raise _refused(
            request, f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
        )


def mount_token(spec: Json) -> None:
    """Give every container the token, the CA and the namespace, unless it mounts something there itself."""
    volumes = spec.get("volumes") or []
    present = next((volume["name"] for volume in volumes if (volume.get("name") or "").startswith(VOLUME_PREFIX)), "")
    name = present or generated_name(VOLUME_PREFIX)
    needed = False
    for containers in ("initContainers", "containers"):
        for container in spec.get(containers) or ():
            mounts = container.get("volumeMounts") or []
            if not any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
                container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
                needed = True
    if needed and not present:
        spec["volumes"] = [*volumes, {"name": name, "projected": token_volume()}]


def token_volume() -> Json:
    """The projected volume that Kubernetes' client libraries look for."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": WARN_ONLY_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
    }


def _is_pod(request: AdmissionRequest) -> bool:
    return (request.resource.group, request.resource.plural) == ("", "pods")


def _concerns(request: AdmissionRequest) -> bool:
    return _is_pod(request) and request.operation == "CREATE" and not request.subresource


def _account(obj: Json) -> _Account:
    metadata = obj["metadata"]
    return _Account(
        metadata["name"],
        obj.get("automountServiceAccountToken"),
        tuple(secret.get("name", "") for secret in obj.get("imagePullSecrets") or ()),
        frozenset(secret.get("name", "") for secret in obj.get("secrets") or ()),
        (metadata.get("annotations") or {}).get(ENFORCE_MOUNTABLE) in _TRUE,
    )


def _is_mirror(obj: Json) -> bool:
    return MIRROR in ((obj.get("metadata") or {}).get("annotations") or {})


def _automounts(spec: Json, account: _Account) -> bool:
    for asked in (spec.get("automountServiceAccountToken"), account.automounts):
        if asked is not None:
            return bool(asked)
    return True


def _mirror_problem(spec: Json) -> str:
    if spec.get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if any(True for _ in _secret_names(spec)) or spec.get("imagePullSecrets"):
        return "a mirror pod may not reference secrets"
    for volume in spec.get("volumes") or ():
        if any(source.get("serviceAccountToken") for source in (volume.get("projected") or {}).get("sources") or ()):
            return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def _secret_names(spec: Json) -> Iterator[str]:
    """The secrets that volumes and containers refer to."""
    for volume in spec.get("volumes") or ():
        if (name := (volume.get("secret") or {}).get("secretName")) is not None:
            yield name
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("secret"):
                yield source["secret"].get("name", "")
    for _, container in _containers(spec):
        yield from (name for _, name in _container_secrets(container))


def _containers(spec: Json) -> Iterator[tuple[str, Json]]:
    for what, field in _CONTAINERS:
        for container in spec.get(field) or ():
            yield what, container


def _container_secrets(container: Json) -> Iterator[tuple[str, str]]:
    """How a container refers to each secret, and its name."""
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            yield f"envVar {variable.get('name', '')}", reference.get("name", "")
    for source in container.get("envFrom") or ():
        if source.get("secretRef"):
            yield "envFrom", source["secretRef"].get("name", "")


def _unreferenced(spec: Json, account: _Account) -> Iterator[str]:
    """Each secret that the pod uses and the account does not list."""
    mountable = account.secrets
    because = f"is not allowed because service account {account.name} does not reference that"
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName")
        if secret is not None and secret not in mountable:
            yield f'volume with secret.secretName="{secret}" {because} secret'
    for what, container in _containers(spec):
        for how, secret in _container_secrets(container):
            if secret not in mountable:
                named = f"{what} {container.get('name', '')} with {how}"
                yield f'{named} referencing secret.secretName="{secret}" {because} secret'
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if reference.get("name") not in account.pull_secrets:
            yield f'imagePullSecrets[{index}].name="{reference.get("name")}" {because} imagePullSecret'


def _refused(request: AdmissionRequest, why: str) -> StatusError:
    return forbidden("pods", "", request.name, why)


def mutating(context: AdmissionContext) -> MutatingPlugin:
    return ServiceAccount(context.reader)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return ServiceAccount(context.reader)
