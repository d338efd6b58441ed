"""Workers: take keys from a work queue, reconcile each, decide what a failure means.

returns             forget the key's back-off
raises Retry        again, after its time or with back-off
raises Terminal     not again until something changes
raises StatusError  again with back-off; a conflict is everyday and not logged as trouble
raises else         a bug: traceback, back-off, metric
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

from master.client.errors import StatusError
from master.informer import metrics
from master.informer.workqueue import K, WorkQueue

_log = logging.getLogger(__name__)


class Retry(Exception):
    """Not possible yet. `after`: seconds; None: with back-off."""

    def __init__(self, after: float | None = None, why: str = "") -> None:
        super().__init__(why or ("again with back-off" if after is None else f"again in {after} s"))
        self.after = after


class Terminal(Exception):
    """Trying again cannot help until the object changes."""


async def run_workers(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]], *, workers: int = 1, name: str) -> None:
    """Reconcile keys until cancelled. One key's failure never touches another's."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(workers):
            tasks.create_task(_work(queue, reconcile, name), name=f"{name}-{number}")


async def _work(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]], name: str) -> None:
    while True:
        key = await queue.get()
        started = monotonic()
        try:
            result = await _reconcile_one(queue, reconcile, key, name)
        finally:
            queue.done(key)
        metrics.WORK_DURATION.labels(name).observe(monotonic() - started)
        metrics.RECONCILES.labels(name, result).inc()


async def _reconcile_one(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]], key: K, name: str) -> str:
    fields = {"controller": name, "key": str(key)}
    try:
        await reconcile(key)
    except Retry as retry:
        _log.debug("retry: %s", retry, extra=fields)
        if retry.after is None:
            queue.add_rate_limited(key)
        else:
            queue.forget(key)
            queue.add_after(key, retry.after)
        return "retry"
    except Terminal as error:
        _log.warning("gave up: %s", error, extra=fields)
        queue.forget(key)
        return "terminal"
    except StatusError as error:
        _log.log(logging.DEBUG if error.code == 409 else logging.WARNING, "API refused: %s", error, extra=fields)
        queue.add_rate_limited(key)
        return "api_error"
    except Exception:  # noqa: BLE001 - a bug in one key's reconcile must not stop the worker
        _log.exception("bug in reconcile", extra=fields)
        queue.add_rate_limited(key)
        return "bug"
    queue.forget(key)
    return "success"
