"""Reports the node's status, on change and each `node_status_report_period`, and follows what people say of the node. Run by
the kubelet.
"""

import asyncio
import contextlib
from collections.abc import Callable, Set
from typing import Any, Protocol

from agent.desired import DesiredState
from agent.kubelet.images.manager import ImageManager
from agent.kubelet.node.describer import Condition, NodeDescriber
from agent.kubelet.node.events import NodeEvents
from agent.reporter import NodeReporter
from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Images, Inspection

Json = dict[str, Any]

_CONDITION_PERIOD = 5.0
#: While pods cannot run: their end is to be seen soon.
_PROBLEM_PERIOD = 0.5


class _Runtime(Images, Inspection, Protocol):
    pass


class NodeStatusReporter:
    """problems: why pods cannot run now, in kubelet's words. pressures: the conditions of what the node is short of."""

    def __init__(
        self,
        *,
        node: NodeDescriber,
        events: NodeEvents,
        runtime: _Runtime,
        images: ImageManager,
        desired: DesiredState,
        reporter: NodeReporter,
        problems: Callable[[], list[str]],
        pressures: Callable[[], Set[str]],
        period: float,
    ) -> None:
        self._node = node
        self._events = events
        self._runtime = runtime
        self._images = images
        self._desired = desired
        self._reporter = reporter
        self._problems = problems
        self._pressures = pressures
        self._period = period
        self._report_now = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._report(), name="node status")
            group.create_task(self._follow(), name="own node")

    def changed(self) -> None:
        """Something that the conditions tell has changed."""
        self._report_now.set()

    async def object(self) -> Json:
        """The Node as it knows itself, for the master's hello. Works without the engine."""
        await self._ask_engine()
        return self._node.object(self._conditions())

    async def _ask_engine(self) -> None:
        try:
            async with asyncio.timeout(5):
                self._node.engine = await self._runtime.info()
                self._node.images = await self._runtime.images()
                await self._images.learn()
        except (RuntimeFailure, TimeoutError):
            return

    def _conditions(self) -> list[Condition]:
        problems = self._problems()
        problem = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]" if problems else ""
        return self._node.conditions(problem, self._pressures())

    async def _report(self) -> None:
        loop = asyncio.get_running_loop()
        reported: list[Condition] | None = None
        due = 0.0
        while True:
            conditions = self._conditions()
            if conditions != reported or loop.time() >= due:
                await self._ask_engine()
                self._reporter.node_status(self._node.status(conditions))
                self._events.conditions(conditions)
                reported, due = conditions, loop.time() + self._period
            self._report_now.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PROBLEM_PERIOD if self._problems() else _CONDITION_PERIOD):
                    await self._report_now.wait()

    async def _follow(self) -> None:
        """What people say of this node (cordon, uncordon) is told as its events."""
        subscription = self._desired.subscribe("nodes")
        while True:
            node = self._desired.nodes.get(self._node.name)
            if node is not None and node.spec is not None:
                self._events.schedulable(not node.spec.unschedulable)
            await subscription.changes()
