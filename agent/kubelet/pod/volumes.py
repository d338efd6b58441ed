"""Sets up the volumes of one pod and names the mounts of its containers. Used by the pod worker.

The blocking work of the volume types runs on threads of its own, and that of servers' volumes on others: a server that does
not answer holds up such volumes at worst, and nothing else of the agent. Nothing here is remembered: each call looks again.
"""

import asyncio
import logging
import posixpath
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from lightkube.models.core_v1 import Container, Pod, Volume, VolumeMount

from agent.kubelet.labels import identity
from agent.kubelet.pod.directory import PodDirectory
from agent.kubelet.pod.environment import InvalidContainer, expand, unknown_names
from agent.kubelet.pods import every_container, spec_of
from agent.runtime.spec import Mount
from agent.volumes.claims import resolve
from agent.volumes.mounts import make_shared
from agent.volumes.protocol import MountFailed, Prepared, VolumeContext, VolumeNotProcessed, VolumePlugin
from agent.volumes.references import ObjectMissing, References
from agent.volumes.registry import plugin_for
from agent.volumes.subpath import SubpathFailed, prepare

log = logging.getLogger(__name__)

_PROPAGATION = {"None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}
#: Volumes that are set up at once on this node.
_THREADS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="volumes")
_REMOTE_THREADS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="remote-volumes")
#: Seconds that a thread is given to finish when nobody wants its result any more.
_LEAVE_OFF = 10.0
_REMOTE = frozenset(("nfs",))

T = TypeVar("T")


class VolumesFailed(Exception):
    """Volumes that could not be set up: the message of each by the volume's name ("": what concerns several)."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


def uses_claims(pod: Pod) -> bool:
    return any(_is_claim(one) for one in spec_of(pod).volumes or ())


async def set_up(
    pod: Pod,
    *,
    directory: PodDirectory,
    references: References,
    allocatable: Callable[[], Mapping[str, str]],
    live_only: bool = False,
) -> dict[str, Prepared]:
    """What is ready, by volume. live_only: only what follows objects of the API, for a pod that has its volumes already.

    Raises VolumesFailed; what could be set up is.
    """
    volumes = _used(pod)
    if live_only:
        volumes = [volume for volume in volumes if not _is_claim(volume)]
    if not volumes:
        return {}
    available = allocatable()
    problems: dict[str, str] = {}
    unprocessed: dict[str, str] = {}

    def find() -> list[tuple[str, VolumePlugin, VolumeContext]]:
        found = []
        for volume in volumes:
            try:
                claimed = resolve(pod, volume, references, in_use=directory.claim_in_use(volume).exists)
                plugin = plugin_for(claimed.volume, claimed.persistent)
                if plugin.live or not live_only:
                    own = directory.claimed(volume) if _is_claim(volume) else directory.volume(volume, plugin)
                    context = VolumeContext(
                        pod, claimed.volume, own, references, available, claimed.persistent, claimed.read_only
                    )
                    found.append((volume.name, plugin, context))
            except VolumeNotProcessed as error:
                unprocessed[volume.name] = str(error)
            except MountFailed as error:
                problems[volume.name] = f'{error.stage} for volume "{volume.name}" : {error}'
        return found

    def work() -> dict[str, Prepared]:
        ready: dict[str, Prepared] = {}
        for name, plugin, context in found:
            try:
                ready[name] = plugin.set_up(context)
            except MountFailed as error:
                problems[name] = f'{error.stage} for volume "{context.volume.name}" : {error}'
            except (ObjectMissing, OSError) as error:
                problems[name] = f'MountVolume.SetUp failed for volume "{context.volume.name}" : {error}'
        for volume in volumes:
            if _is_claim(volume) and volume.name in ready:
                directory.claim_in_use(volume).mkdir(parents=True, exist_ok=True)
        return ready

    found = await _on_thread(find, remote=False) if any(map(_is_claim, volumes)) else find()
    ready = await _on_thread(work, remote=any(plugin.source in _REMOTE for _, plugin, _ in found)) if found else {}
    if unprocessed:
        problems[""] = _unprocessed(problems, unprocessed)
    if problems:
        raise VolumesFailed(problems)
    return ready


def _is_claim(volume: Volume) -> bool:
    return volume.persistentVolumeClaim is not None or volume.ephemeral is not None


def _used(pod: Pod) -> list[Volume]:
    """Only what a container mounts is set up, as kubelet does: nobody misses the rest."""
    names = {mount.name for container in every_container(pod) for mount in container.volumeMounts or ()}
    return [volume for volume in spec_of(pod).volumes or () if volume.name in names]


def _unprocessed(problems: Mapping[str, str], unprocessed: Mapping[str, str]) -> str:
    unmounted = " ".join(sorted({*problems, *unprocessed}))
    return (
        f"Unable to attach or mount volumes: unmounted volumes=[{unmounted}], unattached volumes=[], "
        f"failed to process volumes=[{' '.join(sorted(unprocessed))}]: {'; '.join(unprocessed.values())}"
    )


async def mounts(
    pod: Pod,
    container: Container,
    volumes: Mapping[str, Prepared],
    *,
    directory: PodDirectory,
    variables: Mapping[str, str],
) -> tuple[Mount, ...]:
    """The container's volume mounts. Raises InvalidContainer (a subPath that cannot be had, a volume that is not declared)."""
    found = []
    for index, mount in enumerate(container.volumeMounts or ()):
        volume = volumes.get(mount.name)
        if volume is None:
            raise InvalidContainer(f'cannot find volume "{mount.name}" to mount into container "{container.name}"')
        source = volume.path
        subpath = _subpath(mount, variables)
        if subpath:
            target = directory.subpath(mount.name, container.name, index)
            try:
                source = await _on_thread(partial(prepare, source, subpath, target), remote=volume.remote)
            except SubpathFailed as error:
                # Why, is for the operator: it could tell the pod's owner what there is on the host.
                where = f'volumeMount "{mount.name}" of container "{container.name}"'
                log.warning("a subPath was refused: %s", error, extra={"pod": identity(pod), "mount": where})
                raise InvalidContainer(f"failed to prepare subPath for {where}") from error
        if _propagation(mount) != "None" and source.is_relative_to(directory.path):
            await _share(source, mount, volume)
        _check_recursive(mount)
        read_only = volume.read_only or bool(mount.readOnly)
        found.append(Mount(str(source), target_path(mount.mountPath), read_only, _PROPAGATION[_propagation(mount)]))
    return tuple(found)


async def _share(source: Path, mount: VolumeMount, volume: Prepared) -> None:
    """Engines refuse propagation below a private mount; what is the host's own is left as its owner made it."""
    try:
        await _on_thread(partial(make_shared, source), remote=volume.remote)
    except OSError as error:
        raise InvalidContainer(f'volume "{mount.name}" cannot be mounted with {mount.mountPropagation}: {error}') from error


def target_path(path: str) -> str:
    """Absolute and without doubled or closing slashes: as the engine compares them."""
    return posixpath.normpath("/" + path.lstrip("/"))


def _subpath(mount: VolumeMount, variables: Mapping[str, str]) -> str:
    """Raises InvalidContainer."""
    subpath = mount.subPath or ""
    if mount.subPathExpr:
        if missing := unknown_names(mount.subPathExpr, variables):
            raise InvalidContainer(f"missing value for {', '.join(missing)}")
        subpath = expand(mount.subPathExpr, variables)
    if subpath.startswith("/"):
        raise InvalidContainer(f"error SubPath `{subpath}` must not be an absolute path")
    if ".." in subpath.split("/"):
        raise InvalidContainer(f"unable to provision SubPath `{subpath}`: must not contain '..'")
    return subpath


def _propagation(mount: VolumeMount) -> str:
    return mount.mountPropagation or "None"


def _check_recursive(mount: VolumeMount) -> None:
    """Not asked of the engine: Docker has it since 25.0 only. Raises InvalidContainer in kubelet's words."""
    mode = mount.recursiveReadOnly or "Disabled"
    if mode == "Disabled":
        return
    asked = f'failed to resolve recursive read-only mode: volume "{mount.name}" requested recursive read-only mode, but it is'
    if not mount.readOnly:
        raise InvalidContainer(f"{asked} not read-only")
    if _propagation(mount) != "None":
        raise InvalidContainer(f'{asked} incompatible with propagation "{_propagation(mount)}"')
    if mode == "Enabled":
        raise InvalidContainer(f"{asked} not supported by the runtime")


async def _on_thread(work: Callable[[], T], *, remote: bool) -> T:
    """Cancelled, it waits for the thread a while: what a pod's end removes must not be made anew behind it.

    What still is, because a tree is large or a server does not answer, the kubelet finds as an orphan's.
    """
    pool = _REMOTE_THREADS if remote else _THREADS
    future = asyncio.get_running_loop().run_in_executor(pool, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if not remote:
            await asyncio.wait([future], timeout=_LEAVE_OFF)
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise
