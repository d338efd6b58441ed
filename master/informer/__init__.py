"""Informers and work queues: how controllers, scheduler and fleet follow the API and retry.

informers = Informers(verbs); pods = informers.of(Pod)
queue = WorkQueue[tuple[str, str]]("replicaset")
pods.add_handler(lambda old, new: queue.add(...))
await informers.synced(); await run_workers(queue, reconcile, workers=4, name="replicaset")
"""

from master.informer.informer import Informer, Informers
from master.informer.workers import Retry, Terminal, run_workers
from master.informer.workqueue import WorkQueue

__all__ = ["Informer", "Informers", "Retry", "Terminal", "WorkQueue", "run_workers"]
