"""The sandbox's image, made on this host: no registry is in reach of every node.

One layer with the host's static busybox, which sleeps; the least that the quick start's packages give on any distribution.
"""

import asyncio
import io
import logging
import struct
import tarfile
from pathlib import Path

from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Images

log = logging.getLogger(__name__)

#: busybox acts by the name it is called by; a second name is its shell, for pods that share the process namespace.
COMMAND = ("/bin/sleep", "2147483647")
#: As PID 1 of the whole pod it must reap what others leave behind.
REAPING_COMMAND = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 2147483647 & wait; done")
_PT_INTERP = 3


class PauseImage:
    """reference: the image's name; binary: the host's busybox."""

    def __init__(self, *, runtime: Images, reference: str, binary: Path) -> None:
        self._runtime = runtime
        self._reference = reference
        self._binary = binary
        self._lock = asyncio.Lock()

    async def ensure(self) -> str:
        """The image's reference, once it is there. Raises RuntimeFailure."""
        async with self._lock:
            if await self._runtime.image(self._reference) is None:
                tar = await asyncio.to_thread(_archive, self._binary)
                await self._runtime.import_image(self._reference, tar, COMMAND)
                log.info("made the sandbox image", extra={"image": self._reference, "binary": self._binary})
        return self._reference


def _archive(binary: Path) -> bytes:
    try:
        program = binary.read_bytes()
    except OSError as error:
        raise RuntimeFailure(f"the sandbox image needs {binary} (package busybox-static): {error.strerror}") from error
    if not is_static(program):
        raise RuntimeFailure(f"the sandbox image needs a static {binary} (package busybox-static): it is linked dynamically")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
        for name in ("sleep", "sh"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()


def is_static(program: bytes) -> bool:
    """Whether an ELF program asks for no interpreter."""
    if program[:4] != b"\x7fELF":
        return False
    wide, order = program[4] == 2, "<" if program[5] == 1 else ">"
    if wide:
        (offset,) = struct.unpack_from(order + "Q", program, 32)
        size, count = struct.unpack_from(order + "HH", program, 54)
    else:
        (offset,) = struct.unpack_from(order + "I", program, 28)
        size, count = struct.unpack_from(order + "HH", program, 42)
    types = (struct.unpack_from(order + "I", program, offset + index * size)[0] for index in range(count))
    return _PT_INTERP not in types
