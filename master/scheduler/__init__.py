"""The scheduler: queue, the cluster as counted, plugins that filter and score, binding.

`master.app` builds `Scheduler(client, informers)` and runs it. One pod's way: `queue` → `placement` (which asks the plugins
about nodes of `cluster`) → assumed → bound. To add a plugin, add a file to `plugins` (see `framework`).
"""

from master.scheduler.scheduler import Scheduler

__all__ = ["Scheduler"]
