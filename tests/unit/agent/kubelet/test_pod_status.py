"""The pod status that the kubelet reports, in Kubernetes' words."""

from dataclasses import replace
from typing import Any

import pytest
from lightkube.models.core_v1 import Pod

from agent.kubelet.container_status import ContainerFacts, WaitReason
from agent.kubelet.observation import PodObservation
from agent.kubelet.pod_status import PodFacts, pod_status
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
