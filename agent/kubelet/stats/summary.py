"""What the agent's server tells of usage: /stats/summary and /metrics/resource. Joins samples and what the node knows."""

from pathlib import Path
from typing import Any

from agent.kubelet.node.describer import NodeDescriber
from agent.stats.collector import Stats
from agent.stats.resource_metrics import resource_metrics
from agent.stats.summary import DiskFacts, summary

Json = dict[str, Any]

#: How long a summary waits for walks over volumes and layers; then it tells what is known.
_DISK_SECONDS = 10.0


class StatsSummary:
    """`root`: the kubelet's directory, whose file system is the node's."""

    def __init__(self, *, node_name: str, stats: Stats, node: NodeDescriber, root: Path) -> None:
        self._node_name = node_name
        self._stats = stats
        self._node = node
        self._root = root

    async def summary(self, *, only_cpu_and_memory: bool) -> Json:
        """The Summary API's answer."""
        sample = await self._stats.usage(rates=True)
        boot_time, processes = await self._stats.machine()
        disk = None if only_cpu_and_memory else await self._disk()
        return summary(self._node_name, sample, boot_time=boot_time, processes=processes, disk=disk)

    async def resource_metrics(self) -> str:
        """Prometheus' text."""
        return resource_metrics(await self._stats.usage())

    async def _disk(self) -> DiskFacts:
        engine, images = self._node.engine, self._node.images
        root = await self._stats.filesystem(self._root)
        return DiskFacts(
            root=root,
            images=await self._stats.filesystem(Path(engine.root)) if engine is not None and engine.root else root,
            # Layers that images share are counted for each.
            image_bytes=sum(image.size for image in images) if engine is not None else None,
            pods=await self._stats.disk(seconds=_DISK_SECONDS),
        )
