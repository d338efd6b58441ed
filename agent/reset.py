"""`wherry-agent reset`: removes what the agent made on this host. Called by `agent.cli`.

Runs every step also when one fails, and says at the end what is left. Only what carries wherry's mark goes: containers by
label, images by the record of what was pulled, the Docker network by name, nftables rules and routes by their owner's mark,
and in the data folder only what the agent itself keeps there. A running agent is refused: it would make everything again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from agent.app import checkpoint_path, kubelet_path
from agent.checkpoint.checkpoint import Checkpoint
from agent.checkpoint.folder import CheckpointUnusable
from agent.desired import DesiredState
from agent.kubelet.images.gc import CollectionFailed, ImageGC
from agent.kubelet.images.pulled import PulledImages
from agent.kubelet.shutdown.logind import DROP_IN
from agent.link.outbox import Outbox
from agent.network.plan import NetworkProblem
from agent.network.pod_network import NETWORK, PodNetwork
from agent.proxy.backend import ProxyFailed
from agent.proxy.kube_proxy import KubeProxy
from agent.runtime.docker import DockerRuntime
from agent.runtime.errors import Conflict, RuntimeFailure
from agent.settings import AgentSettings
from agent.volumes.tear_down import tear_down

_LOG = logging.getLogger(__name__)

#: What `join` puts beside the settings file.
_JOINED = ("node.crt", "node.key", "ca.crt", "signing.pub", "sealing.key")
#: How images are called that the agent builds; another sandbox image is the operator's.
_OWN_IMAGES = "wherry/"
#: Containers that are removed at once.
_AT_ONCE = 4


class ResetFailed(Exception):
    """What could not be removed, and why."""


async def reset(settings: AgentSettings, config: Path | None) -> None:
    """Remove everything; with `config` also that settings file and the keys beside it. Raises ResetFailed."""
    try:
        async with Checkpoint(checkpoint_path(settings)):
            await _remove_parts(settings)
    except CheckpointUnusable as error:
        raise ResetFailed(f"{error}; stop the agent first") from error
    await asyncio.to_thread(_remove_files, settings, config)


async def _remove_parts(settings: AgentSettings) -> None:
    async with DockerRuntime(settings.docker, settings.docker_concurrency) as runtime:
        desired, outbox = DesiredState(), Outbox(settings.node_name)
        network = PodNetwork(node_name=settings.node_name, desired=desired, runtime=runtime, reporter=outbox)
        proxy = KubeProxy(node_name=settings.node_name, desired=desired, mode=settings.proxy_mode)
        steps: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = (
            ("containers", lambda: _remove_containers(runtime)),
            ("images", lambda: _remove_images(settings, runtime, outbox)),
            ("Services' rules", proxy.teardown),
            ("pod network", network.teardown),
            (f"Docker network {NETWORK}", lambda: runtime.remove_network(NETWORK)),
        )
        problems: list[str] = []
        for name, step in steps:
            try:
                await step()
            except (RuntimeFailure, ProxyFailed, NetworkProblem, CollectionFailed) as error:
                problems.append(f"{name}: {error}")
        if problems:
            raise ResetFailed("; ".join(problems) + " (the data folder is kept: run reset again when this is mended)")


async def _remove_containers(runtime: DockerRuntime) -> None:
    """Raises RuntimeFailure."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def remove(container_id: str) -> None:
        async with limit:
            await runtime.remove(container_id)

    containers = await runtime.list_containers()
    # Sandboxes last: Podman lets none go before what lives in it.
    for sandboxes in (False, True):
        try:
            async with asyncio.TaskGroup() as removing:
                for container in containers:
                    if container.is_sandbox == sandboxes:
                        removing.create_task(remove(container.id))
        except* RuntimeFailure as failed:
            raise RuntimeFailure(str(failed.exceptions[0])) from failed
    if containers:
        print(f"removed {len(containers)} containers")


async def _remove_images(settings: AgentSettings, runtime: DockerRuntime, outbox: Outbox) -> None:
    """Those that wherry pulled or built and nobody else uses or has named. Raises CollectionFailed, RuntimeFailure."""
    pulled = PulledImages(kubelet_path(settings) / "image_manager" / "pulled")
    collector = ImageGC(runtime=runtime, pulled=pulled, reporter=outbox, settings=settings.kubelet)
    await collector.delete_unused()
    if settings.kubelet.sandbox_image.startswith(_OWN_IMAGES):
        with contextlib.suppress(Conflict):
            await runtime.remove_image(settings.kubelet.sandbox_image)


def _remove_files(settings: AgentSettings, config: Path | None) -> None:
    """Raises ResetFailed."""
    data = Path(settings.data_dir)
    try:
        for path in (checkpoint_path(settings), kubelet_path(settings)):
            # Nothing is deleted through a mount: what is mounted there belongs to somebody else.
            tear_down(path)
        if config is not None:
            for name in (*_JOINED, config.name):
                (config.parent / name).unlink(missing_ok=True)
            _remove_if_empty(config.parent)
        # What made the host's shutdowns wait for pods.
        DROP_IN.unlink(missing_ok=True)
        _remove_if_empty(data)
    except OSError as error:
        raise ResetFailed(f"{error.filename}: {error.strerror}") from error


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
