"""Controllers: each watches through informers, queues keys, and reconciles one key at a time, level-triggered.

One file here is one controller; parts that it needs live in the folders beside (`objects`, `rollout`, `replicas`, `discovery`,
`nodes`, `garbage`), which are no controllers. To add a controller, add a file with one class that is a
`master.controllers.context.Controller`; `registry` finds it, and fails at start on a file that does not import, holds no
controller, or takes a name that is taken.

The application does, in its one TaskGroup:

    context = ControllerContext(client=…, informers=…, kinds=…, recorder=…, clock=SystemClock(), heartbeats=…, settings=…)
    for controller in build_controllers(context):      # registers informers and handlers; no I/O
        group.create_task(controller.run(), name=controller.name)

`build_controllers` must be called before the informers run, or at least before anybody relies on their indexes. Each `run()`
waits until its caches are synced, and returns only when cancelled. Controllers import neither each other, nor the API, nor the
store: they reach the cluster only through `master.client` and `master.informer`.
"""

from master.controllers.context import Clock, Controller, ControllerContext, ControllerSettings, NodeHeartbeats, SystemClock
from master.controllers.registry import RegistryError, build_controllers

__all__ = [
    "Clock",
    "Controller",
    "ControllerContext",
    "ControllerSettings",
    "NodeHeartbeats",
    "RegistryError",
    "SystemClock",
    "build_controllers",
]
