"""Which images on this host are wherry's own: those that it pulled and nobody had before. Used by the image manager and by
`agent.kubelet.images.gc`, which removes no others: on this host people run other things beside wherry.

One small file per image below `root`, written when an image was pulled and taken away when it is gone; at rest nothing is
written. kubelet keeps such records too (KEP-2535). Losing one only means that an image is kept.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec

import msgspec

from agent.kubelet.images.reference import parse

P = ParamSpec("P")
log = logging.getLogger(__name__)

#: Seconds in which a container comes to be of the image that it was given.
_ON_ITS_WAY = 60.0


class PulledImages:
    """root: a folder of its own, made when missing. Ids are the engine's ("sha256:…" or bare)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, frozenset[str]] | None = None
        self._given: dict[str, float] = {}

    async def add(self, image_id: str, reference: str) -> None:
        """wherry pulled the image by this name. A disk that takes no record is logged: the pull goes on."""
        known = await self.all()
        name = str(parse(reference))
        names = known.get(image_id, frozenset())
        if name not in names:
            known[image_id] = names | {name}
            await self._tried(self._write, image_id, known[image_id])

    def given(self, image_id: str) -> None:
        """A container is about to be made of it."""
        if self._names and image_id in self._names:
            self._given[image_id] = asyncio.get_running_loop().time()

    def given_lately(self) -> frozenset[str]:
        """Those that may be on their way into a container."""
        since = asyncio.get_running_loop().time() - _ON_ITS_WAY
        self._given = {image_id: at for image_id, at in self._given.items() if at > since}
        return frozenset(self._given)

    async def all(self) -> dict[str, frozenset[str]]:
        """Names (in full) by image id."""
        if self._names is None:
            self._names = await asyncio.to_thread(self._read)
        return self._names

    async def forget(self, image_ids: Iterable[str]) -> None:
        known = await self.all()
        for image_id in image_ids:
            known.pop(image_id, None)
            await self._tried(self._path(image_id).unlink, missing_ok=True)

    async def _tried(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await asyncio.to_thread(call, *args, **kwargs)
        except OSError as error:
            log.warning("the record of pulled images cannot be written", extra={"error": error})

    def _path(self, image_id: str) -> Path:
        return self._root / f"{image_id.rpartition(':')[2]}.json"

    def _write(self, image_id: str, names: frozenset[str]) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        path = self._path(image_id)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode({"id": image_id, "names": sorted(names)}))
        fresh.replace(path)

    def _read(self) -> dict[str, frozenset[str]]:
        found = {}
        for path in self._root.glob("*.json"):
            try:
                record = msgspec.json.decode(path.read_bytes(), type=_Record)
            except (OSError, msgspec.DecodeError):
                log.warning("a record of a pulled image cannot be read; the image is kept", extra={"file": path.name})
                continue
            found[record.id] = record.names
        return found


class _Record(msgspec.Struct):
    id: str
    names: frozenset[str]
