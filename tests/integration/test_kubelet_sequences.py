"""Whatever happens in whatever order, the engine's refusals and hangs among it: no container runs twice at once, none is ended
without a reason, a deletion always ends, and the pod beside it never notices.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightkube.resources.core_v1 import Pod

from agent.desired import Change, DesiredState
from agent.kubelet.kubelet import Kubelet
from agent.kubelet.labels import CONTAINER_NAME, POD_UID, RESTART_COUNT, SPEC_HASH, sandbox_attempt, spec_hash
from agent.kubelet.pod.observation import in_sandbox
from agent.kubelet.pods import all_containers
from agent.runtime.errors import RuntimeFailure, RuntimeUnavailable
from agent.runtime.fake import FakeRuntime
from agent.runtime.spec import ContainerSpec, ContainerState, ResourceLimits, SandboxSpec
from agent.settings.kubelet import KubeletSettings
from tests.integration.kubelet_node import Network, Reports
from tests.virtual_time import VirtualLoop

T = TypeVar("T")

UID, NEIGHBOUR = "u1", "u2"
STEPS = (
    "finish", "fail", "lose sandbox", "remove container", "new image", "resize", "restart agent", "wait", "stubborn",
    "engine refuses", "engine hangs", "engine is down",
)  # fmt: skip
#: As docker-py's time-out.
HANGS = 60.0


class WatchedRuntime(FakeRuntime):
    """Notes when a second instance of a container runs, and when one is ended that had better run on.

    wanted: the hash that a container of the pod is to have now, by name; empty once the pod is being deleted. refusals, hangs:
    how many of the next calls about the pod end so; down: so do all calls.
    """

    def __init__(self, images: list[str]) -> None:
        super().__init__(images)
        self.doubled = False
        self.unjust: list[str] = []
        self.wanted: dict[str, str] = {}
        self.refusals = self.hangs = 0
        self.down = False

    async def _fault(self, labels: Mapping[str, str]) -> bool:
        """Whether the call takes too long: it is done, but its caller does not hear of it. Raises RuntimeFailure."""
        if self.down:
            raise RuntimeUnavailable("connection refused")
        if labels.get(POD_UID) != UID:
            return False
        if self.refusals:
            self.refusals -= 1
            raise RuntimeFailure("server error")
        if self.hangs:
            self.hangs -= 1
            await asyncio.sleep(HANGS)
            if self.hangs % 2:
                raise RuntimeUnavailable("read timed out")
            return True
        return False

    async def _late(self, labels: Mapping[str, str], work: Callable[[], Awaitable[T]]) -> T:
        late = await self._fault(labels)
        result = await work()
        if late:
            raise RuntimeUnavailable("read timed out")
        return result

    def _labels(self, container_id: str) -> Mapping[str, str]:
        state = self.containers.get(container_id)
        return state.labels if state is not None else {}

    async def create_sandbox(self, spec: SandboxSpec) -> str:
        return await self._late(spec.labels, partial(super().create_sandbox, spec))

    async def create_container(self, spec: ContainerSpec) -> str:
        return await self._late(spec.labels, partial(super().create_container, spec))

    async def start(self, container_id: str) -> None:
        await self._late(self._labels(container_id), partial(super().start, container_id))
        running = Counter(
            (state.labels[POD_UID], state.labels.get(CONTAINER_NAME)) for state in self.containers.values() if state.running
        )
        self.doubled |= any(count > 1 for count in running.values())

    async def kill(self, container_id: str, signal: str) -> None:
        self._judge(container_id, signal)
        await self._late(self._labels(container_id), partial(super().kill, container_id, signal))

    async def remove(self, container_id: str) -> None:
        self._judge(container_id, "removal")

        async def work() -> None:
            self.vanish(container_id)

        await self._late(self._labels(container_id), work)

    def vanish(self, container_id: str) -> None:
        """The container is gone, whatever it did."""
        if container_id in self.containers:
            if self.containers[container_id].running:
                self.finish(container_id, 137)
            del self.containers[container_id]
            self._tell(container_id, "destroy")

    async def update(self, container_id: str, limits: ResourceLimits) -> None:
        await self._late(self._labels(container_id), partial(super().update, container_id, limits))

    async def list_containers(self, *, labels: Mapping[str, str] = {}) -> list[ContainerState]:
        if self.down:
            raise RuntimeUnavailable("connection refused")
        return await super().list_containers(labels=labels)

    async def inspect(self, container_id: str) -> ContainerState | None:
        if self.down:
            raise RuntimeUnavailable("connection refused")
        return await super().inspect(container_id)

    def _judge(self, container_id: str, what: str) -> None:
        state = self.containers.get(container_id)
        if state is None or not state.running:
            return
        uid, name = state.labels[POD_UID], state.labels.get(CONTAINER_NAME, "")
        if uid == UID and not self.wanted:
            return
        newest = max((one for one in self.of(uid) if one.is_sandbox), key=sandbox_attempt, default=None)
        lost = newest is None or not newest.running
        if uid == UID and (lost or state.is_sandbox or not in_sandbox(state, newest)):
            return
        if uid == NEIGHBOUR or state.labels.get(SPEC_HASH) == self.wanted[name]:
            self.unjust.append(f"{what} of {state.name}")

    def of(self, uid: str) -> list[ContainerState]:
        return [state for state in self.containers.values() if state.labels.get(POD_UID) == uid]


def manifest(image: str, cpu: str) -> dict[str, Any]:
    sized = {"resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}}
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": UID},
        "spec": {
            "terminationGracePeriodSeconds": 3,
            "initContainers": [
                {"name": "init", "image": "app:1"},
                {"name": "sidecar", "image": "app:1", "restartPolicy": "Always"},
            ],
            "containers": [{"name": name, "image": image, **sized} for name in ("a", "b")],
        },
    }


def beside() -> dict[str, Any]:
    return {
        "metadata": {"name": "beside", "namespace": "default", "uid": NEIGHBOUR},
        "spec": {"containers": [{"name": "main", "image": "app:1"}]},
    }


def converted(made: dict[str, Any]) -> Pod:
    return msgspec.convert(made, Pod, strict=False)


class Play:
    """One sequence: an agent, the pod that things happen to, and the pod beside it."""

    def __init__(self, root: Path, group: asyncio.TaskGroup) -> None:
        self.runtime = WatchedRuntime(["app:1", "app:2", "pause:1"])
        self.desired, self.reports = DesiredState(), Reports()
        self._root, self._group = root, group
        self._image, self._cpu = "app:1", "100m"
        self.task = group.create_task(self._agent().run())

    def _agent(self) -> Kubelet:
        return Kubelet(
            node_name="node-1", node_addresses=["192.0.2.1"], runtime=self.runtime, desired=self.desired,
            reporter=self.reports, root=self._root, network=Network("pods"), orphans_may_go=lambda: True, labels={},
            settings=KubeletSettings(sandbox_image="pause:1"),
        )  # fmt: skip

    def order(self, **metadata: Any) -> None:
        made = manifest(self._image, self._cpu)
        made["metadata"] |= metadata
        pod = converted(made)
        self.runtime.wanted = {} if metadata else {one.name: spec_hash(one) for one in all_containers(pod)}
        self._desire(UID, pod)

    def order_neighbour(self) -> None:
        self._desire(NEIGHBOUR, converted(beside()))

    def _desire(self, uid: str, pod: Pod) -> None:
        self.desired.pods[uid] = pod
        self.desired.tell(Change("pods", "default", uid))

    async def step(self, step: str, number: int) -> None:
        runtime = self.runtime
        running = [state for state in runtime.of(UID) if state.running]
        chosen = running[number % len(running)] if running else None
        match step:
            case "finish" | "fail":
                if chosen is not None:
                    runtime.finish(chosen.id, int(step == "fail"))
            case "lose sandbox":
                for state in running:
                    if state.is_sandbox:
                        runtime.finish(state.id, 137)
            case "remove container":
                if chosen is not None:
                    runtime.vanish(chosen.id)
            case "stubborn":
                if chosen is not None:
                    runtime.ignores.add(chosen.name)
            case "new image":
                self._image = "app:2" if self._image == "app:1" else "app:1"
                self.order()
            case "resize":
                self._cpu = "200m" if self._cpu == "100m" else "100m"
                self.order()
            case "restart agent":
                self.task.cancel()
                await asyncio.wait([self.task])
                self.task = self._group.create_task(self._agent().run())
            case "engine refuses":
                runtime.refusals = 1 + number % 3
            case "engine hangs":
                runtime.hangs = 1 + number % 3
            case "engine is down":
                runtime.down = True
                await asyncio.sleep(15)
                runtime.down = False
            case _:
                await asyncio.sleep(20)

    async def until(self, what: Callable[[], Any], why: str) -> None:
        try:
            async with asyncio.timeout(900):
                while not what():
                    await asyncio.sleep(1)
        except TimeoutError as error:
            raise AssertionError(why) from error


async def play(steps: list[str], root: Path) -> WatchedRuntime:
    async with asyncio.TaskGroup() as group:
        game = Play(root, group)
        runtime = game.runtime
        game.order_neighbour()
        game.order()
        await game.until(lambda: [one for one in runtime.of(NEIGHBOUR) if one.running], "the pod beside did not begin")
        for number, step in enumerate(steps):
            await asyncio.sleep(0.05)
            await game.step(step, number)
        game.order(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=3)
        await game.until(lambda: "web" in game.reports.terminated, "the deletion did not end")
        assert not runtime.of(UID)
        (main,) = [one for one in runtime.of(NEIGHBOUR) if not one.is_sandbox]
        assert (main.running, main.labels[RESTART_COUNT]) == (True, "0")
        game.task.cancel()
    return runtime


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.sampled_from(STEPS), max_size=10))
def test_no_container_runs_twice_none_ends_without_reason_and_deletion_ends(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as root, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runtime = runner.run(play(steps, Path(root)))
    assert not runtime.doubled
    assert runtime.unjust == []
