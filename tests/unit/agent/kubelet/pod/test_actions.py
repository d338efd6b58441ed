"""What the kubelet decides to do next for a pod."""

from dataclasses import replace
from datetime import timedelta

import pytest
from lightkube.models.core_v1 import Pod

from agent.kubelet.pod.actions import PodActions, Verdict, compute_pod_actions
from agent.kubelet.pod.observation import PodObservation
from agent.runtime.spec import ContainerState
from tests.unit.agent.kubelet.pod_world import NOW, instance, pod, sandbox


def decide(
    wanted: Pod, *states: ContainerState, verdicts: dict[str, Verdict] | None = None, started: frozenset[str] = frozenset()
) -> PodActions:
    return compute_pod_actions(wanted, PodObservation.of(states), now=NOW, verdicts=verdicts or {}, started=started)


def starts(actions: PodActions) -> list[tuple[str, int, float]]:
    return [(one.container.name, one.restarts, one.back_off) for one in actions.start]


def test_a_new_pod_gets_a_sandbox_and_all_its_containers() -> None:
    actions = decide(pod({}, {}))
    assert (actions.create_sandbox, actions.sandbox_attempt, actions.kill_pod) == (True, 0, False)
    assert starts(actions) == [("c0", 0, 0.0), ("c1", 0, 0.0)]


def test_what_runs_as_asked_is_left_alone() -> None:
    wanted = pod()
    assert decide(wanted, sandbox(wanted), instance(wanted)).nothing


def test_init_containers_go_one_by_one_and_before_the_others() -> None:
    wanted = pod(inits=[{}, {}])
    assert starts(decide(wanted)) == [("i0", 0, 0.0)]
    assert decide(wanted, sandbox(wanted), instance(wanted, "i0")).nothing
    done = instance(wanted, "i0", exit_code=0)
    assert starts(decide(wanted, sandbox(wanted), done)) == [("i1", 0, 0.0)]
    both = (done, instance(wanted, "i1", exit_code=0))
    assert starts(decide(wanted, sandbox(wanted), *both)) == [("c0", 0, 0.0)]


def test_an_init_container_whose_instance_is_gone_is_not_run_again_once_others_run() -> None:
    wanted = pod(inits=[{}])
    assert decide(wanted, sandbox(wanted), instance(wanted)).nothing


def test_a_failed_init_container_ends_a_pod_that_never_restarts() -> None:
    wanted = pod(inits=[{}], restartPolicy="Never")
    actions = decide(wanted, sandbox(wanted), instance(wanted, "i0", exit_code=1))
    assert actions.kill_pod
    assert not actions.start


def test_a_sidecar_holds_back_the_others_until_it_has_started() -> None:
    wanted = pod(inits=[{"restartPolicy": "Always"}])
    sidecar = instance(wanted, "i0")
    assert decide(wanted, sandbox(wanted), sidecar).nothing
    assert starts(decide(wanted, sandbox(wanted), sidecar, started=frozenset({sidecar.id}))) == [("c0", 0, 0.0)]
    dead = instance(wanted, "i0", exit_code=1)
    assert starts(decide(wanted, sandbox(wanted), dead, instance(wanted))) == [("i0", 1, 10.0)]


@pytest.mark.parametrize(
    ("back_off", "ended", "ran", "expected"),
    [
        (0.0, 0.0, 5.0, (1, 10.0)),  # the first restart comes at once
        (10.0, 11.0, 5.0, (1, 20.0)),
        (300.0, 301.0, 5.0, (1, 300.0)),
        (300.0, 0.0, 601.0, (1, 10.0)),  # ten minutes of running are forgiven
        (10.0, 3.0, 5.0, None),
    ],
)
def test_restarts_back_off(back_off: float, ended: float, ran: float, expected: tuple[int, float] | None) -> None:
    wanted = pod()
    actions = decide(wanted, sandbox(wanted), instance(wanted, exit_code=1, ended=ended, ran=ran, back_off=back_off))
    if expected is not None:
        assert starts(actions) == [("c0", *expected)]
        return
    assert not actions.start
    assert actions.wake_at == NOW + timedelta(seconds=7)
    assert actions.waiting[0].message(wanted) == "back-off 10s restarting failed container=c0 pod=web_default(u1)"


@pytest.mark.parametrize(
    ("policy", "exit_code", "restarted"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_the_restart_policy_holds(policy: str, exit_code: int, restarted: bool) -> None:
    wanted = pod({}, {}, restartPolicy=policy)
    actions = decide(wanted, sandbox(wanted), instance(wanted, exit_code=exit_code), instance(wanted, "c1"))
    assert [one.container.name for one in actions.start] == (["c0"] if restarted else [])


def test_a_pod_whose_containers_are_all_done_loses_its_sandbox_and_gets_no_other() -> None:
    wanted = pod(restartPolicy="OnFailure")
    done = instance(wanted, exit_code=0)
    assert decide(wanted, sandbox(wanted), done).kill_pod
    actions = decide(wanted, done)
    assert not actions.create_sandbox
    assert actions.nothing


def test_a_changed_image_restarts_only_that_container() -> None:
    old, new = pod({}, {}), pod({"image": "app:2"}, {})
    actions = decide(new, sandbox(old), instance(old), instance(old, "c1"))
    assert [one.message for one in actions.kill] == ["Container c0 definition changed, will be restarted"]
    assert starts(actions) == [("c0", 1, 0.0)]


@pytest.mark.parametrize(
    ("policy", "message"),
    [("Always", "Container c0 failed liveness probe, will be restarted"), ("Never", "Container c0 failed liveness probe")],
)
def test_a_failed_liveness_probe_kills(policy: str, message: str) -> None:
    wanted = pod(restartPolicy=policy)
    running = instance(wanted)
    actions = decide(wanted, sandbox(wanted), running, verdicts={running.id: "liveness"})
    assert [(one.state.id, one.message) for one in actions.kill] == [("c0-0", message)]


def test_a_lost_sandbox_ends_what_runs_and_starts_anew_with_the_next_number() -> None:
    wanted = pod()
    actions = decide(wanted, sandbox(wanted, running=False), instance(wanted))
    assert (actions.kill_pod, actions.create_sandbox, actions.sandbox_attempt) == (True, True, 1)
    assert starts(actions) == [("c0", 1, 0.0)]


def test_one_ended_instance_beside_the_newest_is_kept_for_its_log() -> None:
    wanted = pod()
    ended = [instance(wanted, restarts=number, exit_code=1, ended=100) for number in range(3)]
    actions = decide(wanted, sandbox(wanted), *ended, instance(wanted, restarts=3))
    assert [one.id for one in actions.remove] == ["c0-1", "c0-0"]


def test_a_container_that_was_made_but_never_begun_is_made_anew() -> None:
    wanted = pod()
    leftover = replace(instance(wanted), phase="created", started_at=None)
    actions = decide(wanted, sandbox(wanted), leftover)
    assert actions.remove == (leftover,)
    assert starts(actions) == [("c0", 0, 0.0)]


def test_an_ephemeral_container_starts_once_even_while_the_pod_is_being_initialized() -> None:
    wanted = pod(inits=[{}], ephemeralContainers=[{"name": "look", "image": "tools:1", "targetContainerName": "c0"}])
    assert starts(decide(wanted)) == [("i0", 0, 0.0)], "not before there is a sandbox"
    at_work = (sandbox(wanted), instance(wanted, "i0"))
    assert starts(decide(wanted, *at_work)) == [("look", 0, 0.0)]
    assert decide(wanted, *at_work, instance(wanted, "look")).nothing
    assert decide(wanted, *at_work, instance(wanted, "look", exit_code=1, ended=999)).nothing, "it is never started again"


def test_an_ephemeral_container_ends_with_its_pod() -> None:
    wanted = pod(restartPolicy="Never", ephemeralContainers=[{"name": "look", "image": "tools:1"}])
    done = decide(wanted, sandbox(wanted), instance(wanted, exit_code=0), instance(wanted, "look"))
    assert (done.kill_pod, done.start) == (True, ())


def test_a_lost_sandbox_ends_a_pod_that_never_restarts_and_one_that_has_not_begun_starts_anew() -> None:
    wanted = pod(inits=[{}], restartPolicy="Never")
    lost = sandbox(wanted, running=False)
    begun = decide(wanted, lost, instance(wanted, "i0", exit_code=0), instance(wanted))
    assert (begun.kill_pod, begun.create_sandbox, begun.start) == (True, False, ())
    initializing = decide(wanted, lost, instance(wanted, "i0"))
    assert (initializing.kill_pod, initializing.create_sandbox) == (True, False)
    assert decide(wanted, lost, instance(wanted, "i0", exit_code=0)).create_sandbox


@pytest.mark.parametrize(("ahead", "starts_now"), [(5.0, False), (3600.0, True)])
def test_a_clock_that_is_set_back_makes_no_back_off_endless(ahead: float, starts_now: bool) -> None:
    """A container that ended in the future: its wait is at most as long again."""
    wanted = pod()
    actions = decide(wanted, sandbox(wanted), instance(wanted, exit_code=1, ended=-ahead, back_off=10.0))
    assert bool(actions.start) is starts_now
    assert actions.wake_at == (None if starts_now else NOW + timedelta(seconds=15))


def test_a_resize_that_needs_it_restarts_and_a_forgiven_container_does_not_wait() -> None:
    wanted = pod({}, {})
    running, crashed = instance(wanted), instance(wanted, "c1", exit_code=137, back_off=300.0)
    actions = compute_pod_actions(
        wanted,
        PodObservation.of((sandbox(wanted), running, crashed)),
        now=NOW,
        restarts={running.id},
        forgiven={"c1"},
    )
    assert [one.message for one in actions.kill] == ["Container c0 resize requires restart"]
    assert starts(actions) == [("c0", 1, 0.0), ("c1", 1, 300.0)]
