"""Whatever happens in whatever order: a container never runs twice at once, and a deletion always ends."""

import asyncio
import contextlib
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightkube.resources.core_v1 import Pod

from agent.desired import Change, DesiredState
from agent.kubelet.kubelet import Kubelet
from agent.kubelet.labels import CONTAINER_NAME, POD_UID
from agent.runtime.fake import FakeRuntime
from agent.settings.kubelet import KubeletSettings
from tests.integration.kubelet_node import Network, Reports
from tests.virtual_time import VirtualLoop

UID = "u1"
STEPS = ("finish", "fail", "lose sandbox", "remove container", "new image", "restart agent", "wait", "stubborn")


class WatchedRuntime(FakeRuntime):
    """Notes when a second instance of a container runs."""

    doubled: bool = False

    async def start(self, container_id: str) -> None:
        await super().start(container_id)
        running = Counter(
            (state.labels[POD_UID], state.labels.get(CONTAINER_NAME)) for state in self.containers.values() if state.running
        )
        self.doubled |= any(count > 1 for count in running.values())


def manifest(image: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": UID},
        "spec": {
            "terminationGracePeriodSeconds": 3,
            "initContainers": [{"name": "init", "image": "app:1"}],
            "containers": [{"name": name, "image": image} for name in ("a", "b")],
        },
    }


async def play(steps: list[str], root: Path) -> WatchedRuntime:
    runtime, desired, reports = WatchedRuntime(["app:1", "app:2", "pause:1"]), DesiredState(), Reports()
    image = "app:1"

    def order(**metadata: Any) -> None:
        made = manifest(image)
        made["metadata"] |= metadata
        desired.pods[UID] = msgspec.convert(made, Pod, strict=False)
        desired.tell(Change("pods", "default", UID))

    def agent() -> Kubelet:
        return Kubelet(
            node_name="node-1", node_addresses=["192.0.2.1"], runtime=runtime, desired=desired, reporter=reports, root=root,
            network=Network("pods"), orphans_may_go=lambda: True, labels={}, settings=KubeletSettings(sandbox_image="pause:1"),
        )  # fmt: skip

    async with asyncio.TaskGroup() as group:
        task = group.create_task(agent().run())
        order()
        for step in steps:
            await asyncio.sleep(0.05)
            running = [state for state in runtime.containers.values() if state.running]
            chosen = running[len(steps) % len(running)] if running else None
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
                        await runtime.remove(chosen.id)
                case "stubborn":
                    if chosen is not None:
                        runtime.ignores.add(chosen.name)
                case "new image":
                    image = "app:2" if image == "app:1" else "app:1"
                    order()
                case "restart agent":
                    task.cancel()
                    await asyncio.wait([task])
                    task = group.create_task(agent().run())
                case _:
                    await asyncio.sleep(20)
        order(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=3)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(120):
                while "web" not in reports.terminated:
                    await asyncio.sleep(0.1)
        task.cancel()
    assert "web" in reports.terminated, "the deletion did not end"
    assert runtime.containers == {}
    return runtime


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.sampled_from(STEPS), max_size=8))
def test_no_container_runs_twice_and_deletion_ends(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as root, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runtime = runner.run(play(steps, Path(root)))
    assert not runtime.doubled
