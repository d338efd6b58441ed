"""The pod status that the kubelet reports, in Kubernetes' words."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from lightkube.models.core_v1 import Pod, PodStatus

from agent.kubelet.pod.container_status import ContainerFacts, WaitReason
from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.pod.record import Amounts
from agent.kubelet.pod.status import PodFacts, pod_status
from agent.runtime.spec import ContainerState
from tests.unit.agent.kubelet.pod_world import NOW, instance, pod, sandbox


def status(wanted: Pod, *states: ContainerState, ended: bool = False, **facts: Any) -> dict[str, Any]:
    running = frozenset(one.id for one in states if one.running)
    known = ContainerFacts(**{"ready": running, "started": running, **facts})
    return pod_status(
        wanted,
        PodObservation.of(states),
        PodFacts(start_time=NOW, host_ips=("192.0.2.1",), pod_ips=("10.244.0.5",), containers=known, ended=ended),
        NOW,
    )


def conditions(shown: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {one["type"]: (one["status"], one.get("reason", ""), one.get("message", "")) for one in shown["conditions"]}


def test_before_anything_runs_the_pod_is_pending_and_its_containers_are_being_created() -> None:
    shown = status(pod())
    assert shown["phase"] == "Pending"
    assert shown["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(shown)["Ready"] == ("False", "ContainersNotReady", "containers with unready status: [c0]")
    assert conditions(shown)["PodReadyToStartContainers"][0] == "False"


def test_containers_wait_for_init_containers() -> None:
    wanted = pod(inits=[{}])
    shown = status(wanted, sandbox(wanted), instance(wanted, "i0"))
    assert shown["phase"] == "Pending"
    assert shown["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert conditions(shown)["Initialized"] == (
        "False", "ContainersNotInitialized", "containers with incomplete status: [i0]",
    )  # fmt: skip


def test_a_running_pod_is_ready() -> None:
    wanted = pod()
    shown = status(wanted, sandbox(wanted), instance(wanted))
    assert shown["phase"] == "Running"
    assert {name: one[0] for name, one in conditions(shown).items()} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )


def test_a_container_in_back_off_shows_its_last_end_and_the_pod_runs_on() -> None:
    wanted = pod()
    why = WaitReason("CrashLoopBackOff", "back-off 10s")
    shown = status(wanted, sandbox(wanted), instance(wanted, restarts=1, exit_code=2), waiting={"c0": why})
    container = shown["containerStatuses"][0]
    assert shown["phase"] == "Running"
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert container["lastState"]["terminated"]["exitCode"] == 2
    assert container["restartCount"] == 1


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", 0, "Succeeded"), ("Never", 1, "Failed"), ("OnFailure", 0, "Succeeded"), ("OnFailure", 1, "Running")],
)
def test_the_phase_follows_the_restart_policy(policy: str, code: int, phase: str) -> None:
    wanted = pod(restartPolicy=policy)
    assert status(wanted, instance(wanted, exit_code=code))["phase"] == phase


def test_a_deleted_pod_whose_containers_ended_has_failed_or_succeeded() -> None:
    wanted = pod()
    assert status(wanted, instance(wanted, exit_code=143), ended=True)["phase"] == "Failed"
    assert status(wanted, instance(wanted, exit_code=0), ended=True)["phase"] == "Succeeded"
    assert conditions(status(wanted, instance(wanted, exit_code=0), ended=True))["Ready"][1] == "PodCompleted"


def test_out_of_memory_is_named() -> None:
    wanted = pod()
    ended = replace(instance(wanted, exit_code=137), oom_killed=True)
    assert status(wanted, ended)["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_qos_class(resources: dict[str, Any], qos: str) -> None:
    assert status(pod({"resources": resources}))["qosClass"] == qos


def test_an_ephemeral_container_has_a_status_and_counts_for_nothing() -> None:
    wanted = pod(ephemeralContainers=[{"name": "look", "image": "tools:1"}])
    states = (sandbox(wanted), instance(wanted))
    waiting = status(wanted, *states)
    assert waiting["ephemeralContainerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert waiting["phase"] == "Running"
    ended = status(wanted, *states, instance(wanted, "look", exit_code=1))
    (shown,) = ended["ephemeralContainerStatuses"]
    assert shown["state"]["terminated"]["exitCode"] == 1
    assert shown["ready"] is False
    assert "started" not in shown
    assert conditions(ended)["Ready"][0] == "True"
    assert (ended["phase"], ended["qosClass"]) == ("Running", waiting["qosClass"])


def test_a_sidecar_keeps_a_pod_running_and_its_end_does_not_count() -> None:
    wanted = pod(inits=[{"restartPolicy": "Always"}], restartPolicy="OnFailure")
    done = (sandbox(wanted), instance(wanted, exit_code=0))
    assert status(wanted, *done, instance(wanted, "i0"))["phase"] == "Running"
    assert status(wanted, *done, instance(wanted, "i0", exit_code=137))["phase"] == "Succeeded"
    starting = status(wanted, sandbox(wanted), instance(wanted, "i0"), started=frozenset())
    assert starting["phase"] == "Pending"
    down = instance(wanted, "i0", exit_code=1)
    crashed = status(wanted, sandbox(wanted), instance(wanted), down, waiting={"i0": WaitReason("CrashLoopBackOff")})
    assert crashed["phase"] == "Running"


def test_a_failing_init_container_that_is_tried_again_leaves_the_pod_pending() -> None:
    wanted = pod(inits=[{}])
    failing = status(
        wanted, sandbox(wanted), instance(wanted, "i0", exit_code=1), waiting={"i0": WaitReason("CrashLoopBackOff")}
    )
    assert failing["phase"] == "Pending"


def test_an_init_container_of_which_nothing_is_left_has_completed_once_others_run() -> None:
    wanted = pod(inits=[{}])
    shown = status(wanted, sandbox(wanted), instance(wanted))
    assert shown["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    assert conditions(shown)["Initialized"][0] == "True"
    assert shown["phase"] == "Running"


def test_a_container_of_a_deleted_pod_of_which_nothing_was_seen_has_an_unknown_end() -> None:
    shown = status(pod(), ended=True)
    terminated = shown["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["reason"], terminated["exitCode"], shown["phase"]) == ("ContainerStatusUnknown", 137, "Failed")
    waiting = status(pod(inits=[{}]), ended=True)
    assert waiting["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert waiting["phase"] == "Failed"


def test_readiness_gates_say_what_is_missing() -> None:
    def shown(*given: dict[str, str]) -> tuple[str, str, str]:
        gates = [{"conditionType": "example.com/a"}, {"conditionType": "example.com/b"}]
        wanted = msgspec.structs.replace(pod(readinessGates=gates), status=msgspec.convert({"conditions": given}, PodStatus))
        return conditions(status(wanted, sandbox(wanted), instance(wanted)))["Ready"]

    assert shown({"type": "example.com/a", "status": "False"}) == (
        "False",
        "ReadinessGatesNotReady",
        'the status of pod readiness gate "example.com/a" is not "True", but False; '
        'corresponding condition of pod readiness gate "example.com/b" does not exist.',
    )
    assert shown(*({"type": f"example.com/{name}", "status": "True"} for name in "ab"))[0] == "True"


def test_all_termination_messages_together_are_bounded() -> None:
    wanted = pod(*({} for _ in range(6)))
    states = [instance(wanted, f"c{index}", exit_code=1) for index in range(6)]
    shown = status(wanted, *states, messages={one.id: "x" * 4096 for one in states})
    lengths = [len(one["state"]["terminated"]["message"]) for one in shown["containerStatuses"]]
    assert lengths == [2048] * 6


def test_a_container_is_not_shown_running_while_its_post_start_hook_does() -> None:
    wanted = pod()
    running = instance(wanted)
    shown = status(wanted, sandbox(wanted), running, hooking=frozenset({running.id}))
    assert shown["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert shown["phase"] == "Pending"


def test_resources_are_what_it_has_and_allocated_ones_what_it_was_given() -> None:
    wanted = pod({"resources": {"requests": {"cpu": "3", "example.com/x": "1"}}})
    small, large = Amounts(requests={"cpu": "1"}), Amounts(requests={"cpu": "2"})
    (shown,) = status(wanted, sandbox(wanted), instance(wanted), allocated={"c0": large}, actuated={"c0": small})[
        "containerStatuses"
    ]
    assert shown["resources"] == {"requests": {"cpu": "1", "example.com/x": "1"}}
    assert shown["allocatedResources"] == {"cpu": "2", "example.com/x": "1"}


def test_what_could_not_be_started_says_so() -> None:
    wanted = pod(restartPolicy="Never")
    failed = replace(instance(wanted, exit_code=127), start_error="no such file")
    terminated = status(wanted, failed)["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["reason"], terminated["exitCode"], terminated["message"]) == ("StartError", 128, "no such file")
