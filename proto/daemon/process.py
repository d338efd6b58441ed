"""A daemon as a process: it runs until a signal or until one of its parts ends, and says why. Called by both `app` modules.

A part that ends by itself or fails ends the daemon with its reason and a non-zero exit code; systemd starts it anew.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any

from proto.daemon.notify import Notifier


class PartEnded(Exception):
    """A part that must run as long as its daemon returned by itself."""


async def lasting(name: str, part: Awaitable[None]) -> None:
    """Run a part that must not return. Raises PartEnded when it does."""
    await part
    raise PartEnded(f"{name} ended by itself")


async def run_until_signal(
    daemon: Coroutine[Any, Any, None],
    *,
    name: str,
    notifier: Notifier,
    log: logging.Logger,
    operator_errors: tuple[type[Exception], ...],
    stopping: str = "stopping",
) -> int:
    """Run a daemon until SIGTERM, SIGINT or its end; the process's exit code.

    `operator_errors` say what the operator must change: they are told in one line. Anything else is a bug, with its traceback.
    `stopping` is what is logged when a signal came.
    """
    code = 0
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled.set)
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(daemon, name=name)
            waiting = group.create_task(signalled.wait(), name="signals")
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            notifier.stopping()
            waiting.cancel()
            if not running.done():
                log.info(stopping)
                running.cancel()
    except* operator_errors as errors:
        code = 1
        for error in _leaves(errors):
            log.error("the %s cannot run: %s", name, error)
    except* Exception as errors:
        code = 1
        for error in _leaves(errors):
            log.critical("a part of the %s died", name, exc_info=error)
    if not code:
        log.info("stopped")
    return code


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
