"""How much space directories take, as `du` counts it: blocks on disk, hard links once, in one file system, following no link.

A process of its own, of the lowest priority: a walk over millions of files takes nothing from the agent's event loop and can
be ended. Called seldom, by whoever enforces limits or accounts for storage.
"""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path

#: Seconds that a walk may take, unless the caller says otherwise.
TIMEOUT = 60.0


class UsageUnknown(Exception):
    """The walk took too long or could not be begun."""


async def disk_usage(directories: Sequence[Path], *, timeout: float = TIMEOUT) -> dict[Path, int]:
    """Bytes by directory; one that is gone is missing. Raises UsageUnknown."""
    if not directories:
        return {}
    try:
        process = await asyncio.create_subprocess_exec(
            "nice", "-n", "19", "du", "--summarize", "--one-file-system", "--block-size=1", "--null", "--",
            *(str(directory) for directory in directories),
            stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise UsageUnknown(f"du cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise UsageUnknown(f"du took longer than {timeout:g} seconds") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    # What vanishes while it is counted makes du complain, not stop.
    found = {}
    for line in output.decode("utf-8", "surrogateescape").split("\0"):
        size, separator, path = line.partition("\t")
        if separator:
            found[Path(path)] = int(size)
    return found
