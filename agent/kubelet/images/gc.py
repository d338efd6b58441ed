"""Image garbage collection: when the engine's disk gets full, images that wherry pulled and nobody uses go, the longest
unused first.

Run by the kubelet; pressure eviction asks it for `delete_unused`. Never goes: an image of any container on the engine, running
or not, anyone's; one that was given to a container just now; the sandbox image; and one that wherry did not pull itself or
that somebody has given a further name (ADR 27). Removal is never forced, so what comes to use an image meanwhile keeps it.
https://kubernetes.io/docs/concepts/architecture/garbage-collection/#container-image-lifecycle
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.kubelet.images.pulled import PulledImages
from agent.kubelet.images.reference import InvalidReference, parse
from agent.kubelet.node.machine import Disk, disk
from agent.reporter import Reporter
from agent.runtime.errors import RuntimeFailure, RuntimeUnavailable
from agent.runtime.protocol import ImageRemoval, Images, Inspection
from agent.runtime.spec import Image
from agent.settings.kubelet import KubeletSettings

log = logging.getLogger(__name__)

_PERIOD = 300.0


class _Runtime(Images, ImageRemoval, Inspection, Protocol):
    pass


@dataclass(frozen=True, slots=True)
class Candidate:
    """An unused image of wherry's. Times on the loop's clock; `used` is when a container was last seen with it."""

    image: Image
    detected: float
    used: float


class CollectionFailed(Exception):
    """Not enough was freed, or images could not be removed. The message is kubelet's."""


class ImageGC:
    def __init__(self, *, runtime: _Runtime, pulled: PulledImages, reporter: Reporter, settings: KubeletSettings) -> None:
        self._runtime = runtime
        self._pulled = pulled
        self._reporter = reporter
        self._settings = settings
        self._detected: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._began: float | None = None
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        failed = False
        while True:
            try:
                await self.collect()
                failed = False
            except RuntimeUnavailable as error:
                log.debug("no image garbage collection: the container engine is not there", extra={"error": error})
            except (CollectionFailed, RuntimeFailure) as error:
                log.warning("image garbage collection failed", extra={"error": error})
                if failed:
                    self._reporter.event(None, "Warning", "ImageGCFailed", str(error))
                failed = True
            await asyncio.sleep(_PERIOD)

    async def collect(self) -> None:
        """Free what the policy asks for. Raises CollectionFailed, RuntimeFailure."""
        settings = self._settings
        async with self._lock:
            candidates = await self._candidates()
            candidates = await self._free_old(candidates)
            if settings.image_gc_high_threshold_percent == 100:
                return
            space = await asyncio.to_thread(disk, Path((await self._runtime.info()).root or "/"))
            wanted = to_free(space, high=settings.image_gc_high_threshold_percent, low=settings.image_gc_low_threshold_percent)
            if wanted <= 0:
                return
            freed = await self._free(candidates, wanted)
            if freed < wanted:
                message = (
                    f"Failed to garbage collect required amount of images. Attempted to free {wanted} bytes, "
                    f"but only found {freed} bytes eligible to free."
                )
                self._reporter.event(None, "Warning", "FreeDiskSpaceFailed", message)
                raise CollectionFailed(message)

    async def delete_unused(self) -> int:
        """Remove every image that may go; the bytes that they had. Raises CollectionFailed, RuntimeFailure."""
        async with self._lock:
            return await self._free(await self._candidates(), None)

    async def _candidates(self) -> list[Candidate]:
        """Those that nobody uses, in the order in which they go."""
        now = asyncio.get_running_loop().time()
        # What is there when the agent starts is as old as need be.
        detected = now if self._began is not None else float("-inf")
        if self._began is None:
            self._began = now
        pulled = dict(await self._pulled.all())
        if not pulled:
            return []
        images = {image.id: image for image in await self._runtime.images()}
        await self._pulled.forget(pulled.keys() - images.keys())
        used = await self._runtime.images_in_use() | self._pulled.given_lately()
        for known in (self._detected, self._used):
            for image_id in known.keys() - pulled.keys():
                del known[image_id]
        found = []
        for image_id in pulled.keys() & images.keys():
            self._detected.setdefault(image_id, detected)
            if image_id in used:
                self._used[image_id] = now
            elif self._may_go(images[image_id], pulled):
                found.append(
                    Candidate(images[image_id], self._detected[image_id], self._used.get(image_id, self._detected[image_id]))
                )
        return sorted(found, key=lambda one: (one.used, one.detected))

    def _may_go(self, image: Image, pulled: Mapping[str, frozenset[str]]) -> bool:
        """Not the sandbox's, and every name of it is one by which wherry pulled it."""
        own = pulled[image.id]
        repositories = {
            name.partition("@")[0].rpartition(":")[0] if "@" not in name else name.partition("@")[0] for name in own
        }
        sandbox = _full(self._settings.sandbox_image)
        return (
            all(_full(tag) in own and _full(tag) != sandbox for tag in image.tags)
            and {_full(digest).partition("@")[0] for digest in image.digests} <= repositories
        )

    async def _free_old(self, candidates: list[Candidate]) -> list[Candidate]:
        """By age alone; those that stay."""
        maximum, now = self._settings.image_maximum_gc_age, asyncio.get_running_loop().time()
        # kubelet too counts from its start: it does not know what was used before.
        if not maximum or self._began is None or now - self._began <= maximum:
            return candidates
        old = [one for one in candidates if now - one.used > maximum]
        await self._free(old, None)
        return [one for one in candidates if one not in old]

    async def _free(self, candidates: Iterable[Candidate], wanted: int | None) -> int:
        """Remove images in this order until `wanted` bytes are freed (None: all). Raises CollectionFailed."""
        now, freed, problems = asyncio.get_running_loop().time(), 0, list[str]()
        for one in candidates:
            if wanted is not None and freed >= wanted:
                break
            if now - one.detected < self._settings.image_minimum_gc_age:
                continue
            try:
                if await self._remove(one.image):
                    freed += one.image.size
            except RuntimeUnavailable:
                raise
            except RuntimeFailure as error:
                problems.append(str(error))
        if problems:
            raise CollectionFailed(
                f"wanted to free {'all' if wanted is None else wanted} bytes, but freed {freed} bytes space with errors in "
                f"image deletion: {', '.join(problems)}"
            )
        return freed

    async def _remove(self, image: Image) -> bool:
        """Whether it is gone."""
        for name in (*image.tags, *image.digests, image.id):
            await self._runtime.remove_image(name)
            if await self._runtime.image(image.id) is None:
                log.info("removed an unused image", extra={"image": name, "bytes": image.size})
                await self._pulled.forget([image.id])
                return True
        return False


def to_free(space: Disk, *, high: int, low: int) -> int:
    """Bytes; nothing below the high threshold, above it what brings the disk down to the low one."""
    if space.size <= 0 or 100 - space.available * 100 // space.size < high:
        return 0
    return space.size * (100 - low) // 100 - space.available


def _full(name: str) -> str:
    try:
        return str(parse(name))
    except InvalidReference:
        return name
