"""What the C library and the garbage collector keep of a daemon's memory. Called by the daemons at start and when ready."""

import asyncio
import ctypes
import gc

#: mallopt's name of it (glibc's malloc.h).
_M_ARENA_MAX = -8
#: glibc makes up to eight per core; what each thread's has freed stays with it.
_ARENAS = 2
_TRIM_SECONDS = 60.0


def bound_arenas() -> None:
    """Before the first thread. Nothing happens with another C library."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def settle() -> None:
    """Give back what the start needed, and take what is there now out of all later looks of the garbage collector.

    A full look blocks the event loop, and touches each page.
    """
    gc.collect()
    gc.freeze()
    trim()


def trim() -> None:
    """Give freed memory back to the kernel."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


async def keep_trimmed() -> None:
    """Until cancelled: what many pods at once needed for a moment goes back within a minute."""
    while True:
        await asyncio.sleep(_TRIM_SECONDS)
        trim()
