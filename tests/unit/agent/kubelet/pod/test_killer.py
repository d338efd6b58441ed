"""How a pod's containers end, in virtual seconds."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from lightkube.resources.core_v1 import Pod

from agent.kubelet.labels import container_labels, identity
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.grace import Grace
from agent.kubelet.pod.killer import Killer
from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.pods import all_containers
from agent.kubelet.recorder import Recorder
from agent.reporter import Json
from agent.runtime.fake import FakeRuntime
from agent.runtime.spec import ContainerSpec, SandboxSpec
from tests.unit.agent.kubelet.pod_world import pod
from tests.virtual_time import VirtualLoop


class SlowRuntime(FakeRuntime):
    """Notes who was sent what and when. `slow`: seconds from SIGTERM to the end, by container; None: never."""

    def __init__(self) -> None:
        super().__init__(["app:1"])
        self.sent: list[tuple[str, str, float]] = []
        self.slow: dict[str, float | None] = {}

    async def kill(self, container_id: str, signal: str) -> None:
        name = self.containers[container_id].name
        loop = asyncio.get_running_loop()
        self.sent.append((name, signal, round(loop.time(), 1)))
        if signal == "SIGKILL" or name not in self.slow:
            await super().kill(container_id, signal)
        elif (seconds := self.slow[name]) is not None:
            loop.call_later(seconds, self._finish, container_id)

    def _finish(self, container_id: str) -> None:
        if self.containers[container_id].running:
            self.finish(container_id, 143)


class Events:
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def event(self, pod: Any, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.events.append((reason, message))

    def pod_status(self, pod: Any, status: Json, *, terminated: bool = False) -> None: ...

    def node_status(self, status: Json) -> None: ...


def ended(wanted: Pod, *, grace: float, slow: Mapping[str, float | None] = {}, shorten: Sequence[float] = ()) -> SlowRuntime:
    """End all of a pod's containers, which run since second 0. shorten: at this second, to so many."""
    runtime, events = SlowRuntime(), Events()
    runtime.slow = dict(slow)
    runtime.reported = events.events  # type: ignore[attr-defined]

    async def work() -> None:
        pleg = Pleg(runtime=runtime, on_change=lambda _: None, relist_period=1e6, relisted=lambda _: None)
        who = identity(wanted)
        sandbox = await runtime.create_sandbox(SandboxSpec(name="pause", image="app:1", labels={}))
        for container in all_containers(wanted):
            labels = container_labels(who, container, restarts=0, back_off=0, sandbox_id=sandbox, grace=30)
            spec = ContainerSpec(name=container.name, image="app:1", labels=labels, sandbox_id=sandbox)
            await runtime.start(await runtime.create_container(spec))
        killer = Killer(runtime=runtime, pleg=pleg, recorder=Recorder(events))
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(pleg.run())
            await pleg.synced.wait()
            allowed = Grace(grace)
            if shorten:
                asyncio.get_running_loop().call_later(shorten[0], allowed.shorten, shorten[1])
            observed: PodObservation = pleg.observation(who.uid)
            await killer.kill_all(wanted, observed.running(), grace=allowed, address="192.0.2.1")
            assert not pleg.observation(who.uid).running()
            watching.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())
    return runtime


def times(runtime: SlowRuntime, names: Iterable[str] = ("c0",)) -> list[tuple[str, str, float]]:
    return [one for one in runtime.sent if one[0] in names]


def test_all_containers_are_told_at_once_and_killed_when_the_grace_is_over() -> None:
    runtime = ended(pod({}, {}), grace=30, slow={"c0": 5, "c1": None})
    assert times(runtime, ("c0", "c1")) == [("c0", "SIGTERM", 0), ("c1", "SIGTERM", 0), ("c1", "SIGKILL", 30)]


def test_sidecars_end_after_the_containers_in_reverse_order_within_one_grace() -> None:
    wanted = pod({}, inits=[{"restartPolicy": "Always"}, {"restartPolicy": "Always"}])
    runtime = ended(wanted, grace=30, slow={"c0": 4, "i1": 3, "i0": None})
    assert runtime.sent == [("c0", "SIGTERM", 0), ("i1", "SIGTERM", 4), ("i0", "SIGTERM", 7), ("i0", "SIGKILL", 30)]


def test_a_sidecar_whose_turn_does_not_come_within_the_grace_is_still_told_and_has_two_seconds() -> None:
    wanted = pod({}, inits=[{"restartPolicy": "Always"}])
    runtime = ended(wanted, grace=10, slow={"c0": None, "i0": None})
    assert runtime.sent == [("c0", "SIGTERM", 0), ("c0", "SIGKILL", 10), ("i0", "SIGTERM", 10), ("i0", "SIGKILL", 12)]


@pytest.mark.parametrize(("sleep", "told"), [(3, 3), (60, 10)])
def test_a_hook_uses_up_the_grace_and_two_seconds_are_left_at_least(sleep: int, told: int) -> None:
    wanted = pod({"lifecycle": {"preStop": {"sleep": {"seconds": sleep}}}})
    runtime = ended(wanted, grace=10, slow={"c0": None})
    assert runtime.sent == [("c0", "SIGTERM", told), ("c0", "SIGKILL", max(10, told + 2))]


def test_the_hook_of_a_sidecar_runs_with_the_others() -> None:
    sidecar = {"restartPolicy": "Always", "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
    runtime = ended(pod({}, inits=[sidecar]), grace=30, slow={"c0": 5})
    assert times(runtime, ("i0",)) == [("i0", "SIGTERM", 5)]


@pytest.mark.parametrize("grace", [0, 1])
def test_a_container_is_never_killed_without_a_signal_and_two_seconds(grace: int) -> None:
    assert ended(pod(), grace=grace, slow={"c0": None}).sent == [("c0", "SIGTERM", 0), ("c0", "SIGKILL", 2)]


def test_a_grace_that_is_shortened_meanwhile_holds_for_all() -> None:
    runtime = ended(pod({}), grace=60, slow={"c0": None}, shorten=(5, 3))
    assert runtime.sent == [("c0", "SIGTERM", 0), ("c0", "SIGKILL", 8)]


def test_what_ends_a_container_is_told_in_kubernetes_words() -> None:
    lifecycle = {"preStop": {"tcpSocket": {"port": 1}}}
    runtime = ended(pod({"lifecycle": lifecycle}), grace=10)
    assert runtime.reported == [("Killing", "Stopping container c0"), ("FailedPreStopHook", "PreStopHook failed")]  # type: ignore[attr-defined]
