"""`kubectl get pods`: the cases of Kubernetes' own printers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from master.api.printers.pod import row

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
Json = dict[str, Any]

RUNNING: Json = {"running": {"startedAt": "2026-01-01T11:00:00Z"}}


def waiting(reason: str) -> Json:
    return {"waiting": {"reason": reason}}


def terminated(code: int, **fields: Any) -> Json:
    return {"terminated": {"exitCode": code, **fields}}


def pod(
    *states: Json, phase: str = "Running", init: list[Json] | None = None, status: Json | None = None, **spec: Any
) -> Json:
    """A pod with one container per state; a running one is ready."""
    return {
        "metadata": {"name": "p", "creationTimestamp": "2026-01-01T11:00:00Z"},
        "spec": {"containers": [{"name": str(index)} for index in range(len(states))], **spec},
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": str(index), "state": state, "ready": "running" in state, "restartCount": 0}
                for index, state in enumerate(states)
            ],
            "initContainerStatuses": init or [],
            **(status or {}),
        },
    }


def cells(obj: Json) -> list[Any]:
    return list(row(obj, NOW))


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (pod({}, phase="Pending"), "0/1", "Pending"),
        (pod(waiting("ContainerCreating"), phase="Pending"), "0/1", "ContainerCreating"),
        (pod(waiting("CrashLoopBackOff")), "0/1", "CrashLoopBackOff"),
        (pod(waiting("ImagePullBackOff"), RUNNING), "1/2", "ImagePullBackOff"),
        (pod(RUNNING, RUNNING), "2/2", "Running"),
        (pod(terminated(0, reason="Completed"), phase="Succeeded"), "0/1", "Completed"),
        (pod(terminated(1, reason="Error"), phase="Failed"), "0/1", "Error"),
        (pod(terminated(137, signal=9), phase="Failed"), "0/1", "Signal:9"),
        (pod(terminated(3), phase="Failed"), "0/1", "ExitCode:3"),
        (pod(terminated(0, reason="Completed"), RUNNING), "1/2", "NotReady"),
        (
            pod(terminated(0, reason="Completed"), RUNNING, status={"conditions": [{"type": "Ready", "status": "True"}]}),
            "1/2",
            "Running",
        ),
        (pod(status={"reason": "Evicted"}, phase="Failed"), "0/0", "Evicted"),
        (
            pod({}, phase="Pending", status={"conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}),
            "0/1",
            "SchedulingGated",
        ),
    ],
)
def test_ready_and_status(obj: Json, ready: str, status: str) -> None:
    assert cells(obj)[1:3] == [ready, status]


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([{}], "Init:0/2"),
        ([waiting("PodInitializing")], "Init:0/2"),
        ([terminated(0), RUNNING], "Init:1/2"),
        ([terminated(0), waiting("CrashLoopBackOff")], "Init:CrashLoopBackOff"),
        ([terminated(1, reason="Error")], "Init:Error"),
        ([terminated(137, signal=9)], "Init:Signal:9"),
        ([terminated(2)], "Init:ExitCode:2"),
    ],
)
def test_init_containers_show_how_far_they_are(states: list[Json], status: str) -> None:
    init = [{"name": str(index), "state": state, "restartCount": 0} for index, state in enumerate(states)]
    obj = pod({}, phase="Pending", init=init, initContainers=[{"name": "0"}, {"name": "1"}])
    assert cells(obj)[1:3] == ["0/1", status]


def test_a_sidecar_counts_as_a_container() -> None:
    init = [{"name": "s", "state": RUNNING, "ready": True, "started": True, "restartCount": 2}]
    obj = pod(RUNNING, init=init, initContainers=[{"name": "s", "restartPolicy": "Always"}])
    assert cells(obj)[1:4] == ["2/2", "Running", "2"]


def test_a_pod_that_is_deleted_terminates() -> None:
    obj = pod(RUNNING)
    obj["metadata"]["deletionTimestamp"] = "2026-01-01T11:59:00Z"
    assert cells(obj)[2] == "Terminating"
    obj["status"]["reason"] = "NodeLost"
    assert cells(obj)[2] == "Unknown"


def test_restarts_say_when_the_last_one_was() -> None:
    obj = pod(RUNNING, RUNNING)
    first, second = obj["status"]["containerStatuses"]
    first.update(restartCount=2, lastState={"terminated": {"finishedAt": "2026-01-01T11:50:00Z"}})
    second.update(restartCount=1, lastState={"terminated": {"finishedAt": "2026-01-01T11:57:00Z"}})
    assert cells(obj)[3] == "3 (3m ago)"


def test_the_wide_cells() -> None:
    obj = pod(RUNNING, nodeName="n", readinessGates=[{"conditionType": "a"}, {"conditionType": "b"}])
    obj["status"].update(podIPs=[{"ip": "10.0.0.1"}], conditions=[{"type": "a", "status": "True"}])
    assert cells(obj)[4:] == ["60m", "10.0.0.1", "n", "<none>", "1/2"]
    assert cells(pod())[5:] == ["<none>", "<none>", "<none>", "<none>"]
