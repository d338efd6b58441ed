"""The files that config maps, secrets, tokens and the downward API give to a volume; shared with projected volumes."""

from collections.abc import Mapping, Sequence

from lightkube.models.core_v1 import DownwardAPIVolumeFile, KeyToPath, ServiceAccountTokenProjection

from agent.volumes.atomic_writer import VolumeFile
from agent.volumes.downward import UnsupportedField, metadata_field
from agent.volumes.protocol import MountFailed, VolumeContext
from agent.volumes.references import config_map_data, secret_data, service_account_token
from agent.volumes.resource_field import resource_field

DEFAULT_MODE = 0o644
#: What a projection without expirationSeconds asks for.
_TOKEN_SECONDS = 3600


def config_map_files(
    context: VolumeContext, name: str, *, items: Sequence[KeyToPath] | None, mode: int | None, optional: bool
) -> dict[str, VolumeFile]:
    """Raises ObjectMissing, MountFailed (a missing key)."""
    data = config_map_data(context.references.config_map(name, optional=optional))
    return _chosen(data, items, mode=mode, optional=optional, what="configmap references non-existent config key")


def secret_files(
    context: VolumeContext, name: str, *, items: Sequence[KeyToPath] | None, mode: int | None, optional: bool
) -> dict[str, VolumeFile]:
    """Raises ObjectMissing, MountFailed (a missing key)."""
    data = secret_data(context.references.secret(name, optional=optional))
    return _chosen(data, items, mode=mode, optional=optional, what="references non-existent secret key")


def downward_files(
    context: VolumeContext, items: Sequence[DownwardAPIVolumeFile] | None, *, mode: int | None
) -> dict[str, VolumeFile]:
    """Raises MountFailed (no such field)."""
    files = {}
    for item in items or ():
        try:
            if item.fieldRef is not None:
                text = metadata_field(context.pod, item.fieldRef.fieldPath)
            elif item.resourceFieldRef is not None:
                text = _resource(context, item)
            else:
                continue
        except UnsupportedField as error:
            raise MountFailed(str(error)) from error
        files[item.path] = VolumeFile(text.encode(), _pick(item.mode, mode))
    return files


def token_files(context: VolumeContext, asked: ServiceAccountTokenProjection, *, mode: int | None) -> dict[str, VolumeFile]:
    """Raises ObjectMissing.

    A token is for the pod's own processes: where all containers run as one user it is that user's alone, and with an fsGroup
    that group's; only else it is as open as the volume says (kubelet's projected plugin).
    """
    owner = _common_user(context)
    closed = owner is not None or context.fs_group is not None
    uid = context.pod.metadata.uid if context.pod.metadata is not None else None
    token = service_account_token(
        context.references, uid or "", asked.audience or "", asked.expirationSeconds or _TOKEN_SECONDS
    )
    return {asked.path: VolumeFile(token, 0o600 if closed else _pick(None, mode), owner)}


def _common_user(context: VolumeContext) -> int | None:
    """The user that all containers run as; None when one of them names none or they differ."""
    spec = context.pod.spec
    assert spec is not None
    shared = spec.securityContext.runAsUser if spec.securityContext is not None else None
    users = set()
    for container in (*(spec.initContainers or ()), *spec.containers):
        own = container.securityContext.runAsUser if container.securityContext is not None else None
        users.add(shared if own is None else own)
    return users.pop() if len(users) == 1 else None


def _resource(context: VolumeContext, item: DownwardAPIVolumeFile) -> str:
    reference = item.resourceFieldRef
    assert reference is not None
    assert context.pod.spec is not None
    for container in context.pod.spec.containers:
        if container.name == reference.containerName:
            return resource_field(container, reference.resource, reference.divisor, context.allocatable)
    raise MountFailed(f"container {reference.containerName} not found")


def _chosen(
    data: Mapping[str, bytes], items: Sequence[KeyToPath] | None, *, mode: int | None, optional: bool, what: str
) -> dict[str, VolumeFile]:
    if not items:
        return {key: VolumeFile(value, _pick(None, mode)) for key, value in data.items()}
    files = {}
    for item in items:
        if item.key in data:
            files[item.path] = VolumeFile(data[item.key], _pick(item.mode, mode))
        elif not optional:
            raise MountFailed(f"{what}: {item.key}")
    return files


def _pick(own: int | None, default: int | None) -> int:
    if own is not None:
        return own
    return DEFAULT_MODE if default is None else default
