"""A pod's status as the API shows it: phase, conditions, container statuses. Pure. Called by the pod worker.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.pod.container_status import ContainerFacts, WaitReason, container_status, timestamp
from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.pod.record import ConditionRecord
from agent.kubelet.pods import (
    containers,
    ephemeral_containers,
    init_containers,
    is_sidecar,
    qos_class,
    restart_policy,
    spec_of,
)

Json = dict[str, Any]

_KILLED = 137
_UNSEEN = "The container could not be located when the pod was terminated"
_INIT_UNSEEN = (
    "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally"
)
#: Of all termination messages of a pod together, in bytes.
_MAX_MESSAGES = 12 * 1024


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What a status shows beyond manifest and runtime. ended: every container is to stay ended (deleted, deadline).

    phase, reason, message: set once the pod has ended for good. more_conditions: beside those that every pod has.
    disruption: why the node ends it, while it still runs too. refused: it never began here.
    """

    start_time: datetime
    host_ips: tuple[str, ...]
    pod_ips: tuple[str, ...]
    containers: ContainerFacts
    conditions: Mapping[str, ConditionRecord] = field(default_factory=dict)
    more_conditions: tuple[Json, ...] = ()
    ended: bool = False
    phase: str = ""
    reason: str = ""
    message: str = ""
    disruption: str = ""
    refused: bool = False
    observed_generation: int = 0


def pod_status(pod: Pod, observed: PodObservation, facts: PodFacts, now: datetime) -> Json:
    """PodStatus as JSON. Transition times are kept from `facts.conditions` while a condition's status stays."""
    inits = init_containers(pod)
    init_statuses: list[Json] = []
    initialized = True
    for index, container in enumerate(inits):
        sidecar = is_sidecar(container, pod)
        status = container_status(
            container,
            observed.all_instances(container.name),
            facts=facts.containers,
            default_waiting=WaitReason("PodInitializing"),
            started_matters=sidecar,
        )
        if not sidecar and _begun_after(pod, observed, index):
            status |= {"state": {"terminated": _ended_unseen(0, "Completed", _INIT_UNSEEN)}, "ready": True}
        init_statuses.append(status)
        initialized &= status["started"] or _any_begun(pod, observed) if sidecar else status["ready"]
    default = WaitReason("ContainerCreating" if not inits or initialized else "PodInitializing")
    statuses = [
        container_status(container, observed.all_instances(container.name), facts=facts.containers, default_waiting=default)
        for container in containers(pod)
    ]
    if facts.ended and initialized:
        for status in statuses:
            if "waiting" in status["state"]:
                status["state"] = {"terminated": _ended_unseen(_KILLED, "ContainerStatusUnknown", _UNSEEN)}
    phase = facts.phase or _phase(pod, init_statuses, statuses, ended=facts.ended)
    conditions = [
        *_conditions(pod, observed, init_statuses, statuses, phase=phase, initialized=initialized),
        *facts.more_conditions,
    ]
    if facts.disruption:
        reason = "TerminationByKubelet"
        conditions.append({"type": "DisruptionTarget", "status": "True", "reason": reason, "message": facts.disruption})
    status_json: Json = {
        "phase": phase,
        "conditions": [_timed(condition, facts.conditions, now) for condition in conditions],
        "startTime": timestamp(facts.start_time),
        "qosClass": qos_class(pod),
        "containerStatuses": statuses,
    }
    if init_statuses:
        status_json["initContainerStatuses"] = init_statuses
    ephemeral = [_ephemeral_status(container, observed, facts) for container in ephemeral_containers(pod)]
    if ephemeral:
        status_json["ephemeralContainerStatuses"] = ephemeral
    _bound_messages([*init_statuses, *statuses, *ephemeral])
    if facts.host_ips:
        status_json |= {"hostIP": facts.host_ips[0], "hostIPs": [{"ip": ip} for ip in facts.host_ips]}
    pod_ips = facts.host_ips[:1] if spec_of(pod).hostNetwork and observed.sandboxes else facts.pod_ips
    if pod_ips:
        status_json |= {"podIP": pod_ips[0], "podIPs": [{"ip": ip} for ip in pod_ips]}
    if facts.refused:
        for name in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            status_json.pop(name, None)
        status_json["conditions"] = [one for one in status_json["conditions"] if one["type"] == "PodScheduled"]
    if facts.reason:
        status_json["reason"] = facts.reason
    if facts.message:
        status_json["message"] = facts.message
    return status_json


def _ended_unseen(exit_code: int, reason: str, message: str) -> Json:
    """The end of a container of which the engine has nothing (any more)."""
    return {"exitCode": exit_code, "reason": reason, "message": message, "startedAt": None, "finishedAt": None}


def _bound_messages(statuses: list[Json]) -> None:
    """Each container's share of what the pod may say at its containers' ends."""
    share = _MAX_MESSAGES // max(1, len(statuses))
    for status in statuses:
        for state in (status["state"], status["lastState"]):
            terminated = state.get("terminated", {})
            message = terminated.get("message", "").encode()
            if len(message) > share:
                terminated["message"] = message[:share].decode(errors="ignore")


def _ephemeral_status(container: Container, observed: PodObservation, facts: PodFacts) -> Json:
    """It has no probes and counts for nothing: neither ready nor started."""
    instances = observed.all_instances(container.name)
    status = container_status(
        container, instances, facts=facts.containers, default_waiting=WaitReason("ContainerCreating"), started_matters=False
    )
    del status["started"]
    return status | {"ready": False}


def _any_begun(pod: Pod, observed: PodObservation) -> bool:
    return any(observed.newest(container.name) is not None for container in containers(pod))


def _begun_after(pod: Pod, observed: PodObservation, index: int) -> bool:
    """A later container has begun, which proves this one done, if its own instance is gone."""
    if observed.newest(init_containers(pod)[index].name) is not None:
        return False
    later = [container.name for container in init_containers(pod)[index + 1 :]]
    return _any_begun(pod, observed) or any(observed.newest(name) is not None for name in later)


def _phase(pod: Pod, inits: list[Json], mains: list[Json], *, ended: bool) -> str:
    """As kubelet's getPhase: a sidecar keeps a pod running, but neither its end nor its exit code counts."""
    policy = restart_policy(pod)
    pending = failed = False
    running = waiting = stopped = succeeded = 0
    begun = any("waiting" not in status["state"] or status["lastState"] for status in mains)
    for container, status in zip(init_containers(pod), inits, strict=True):
        state, last = status["state"], status["lastState"].get("terminated")
        if is_sidecar(container, pod):
            running += "running" in state
            waiting += "waiting" in state and last is None
            pending |= not begun and not status["started"] and ("running" in state or last is None)
        elif "terminated" in state or last is not None:
            failed |= state.get("terminated", last)["exitCode"] != 0
        else:
            pending = True
    for status in mains:
        state = status["state"]
        if "running" in state:
            running += 1
        elif "terminated" in state:
            stopped += 1
            succeeded += state["terminated"]["exitCode"] == 0
        elif status["lastState"]:
            stopped += 1
        else:
            waiting += 1
    if failed and (policy == "Never" or ended):
        return "Failed"
    if pending or waiting:
        return "Failed" if ended and not running else "Pending"
    if running:
        return "Running"
    if policy == "Always" and not ended:
        return "Running"
    if stopped == succeeded:
        return "Succeeded"
    return "Failed" if ended or policy == "Never" else "Running"


def _conditions(
    pod: Pod, observed: PodObservation, inits: list[Json], mains: list[Json], *, phase: str, initialized: bool
) -> list[Json]:
    sandbox = observed.sandbox is not None and (bool(observed.sandbox.ips) or bool(spec_of(pod).hostNetwork))
    incomplete = [
        status["name"]
        for container, status in zip(init_containers(pod), inits, strict=True)
        if not (status["started"] if is_sidecar(container, pod) else status["ready"])
    ]
    if phase == "Succeeded":
        initial = _condition("Initialized", problem="", reason="PodCompleted")
    else:
        names = " ".join(incomplete)
        initial = _condition(
            "Initialized",
            problem="" if initialized else f"containers with incomplete status: [{names}]",
            reason="" if initialized else "ContainersNotInitialized",
        )
    sidecars = [status for container, status in zip(init_containers(pod), inits, strict=True) if is_sidecar(container, pod)]
    readiness = _containers_ready([*sidecars, *mains], phase)
    return [
        _condition("PodReadyToStartContainers", problem="" if sandbox else None),
        initial,
        _pod_ready(pod, readiness),
        readiness,
        _condition("PodScheduled", problem=""),
    ]


def _containers_ready(statuses: list[Json], phase: str) -> Json:
    match phase:
        case "Succeeded":
            return _condition("ContainersReady", problem=None, reason="PodCompleted")
        case "Failed":
            return _condition("ContainersReady", problem=None, reason="PodFailed")
    unready = " ".join(status["name"] for status in statuses if not status["ready"])
    if unready:
        return _condition(
            "ContainersReady", problem=f"containers with unready status: [{unready}]", reason="ContainersNotReady"
        )
    return _condition("ContainersReady", problem="")


def _pod_ready(pod: Pod, readiness: Json) -> Json:
    if readiness["status"] != "True":
        return readiness | {"type": "Ready"}
    gates = spec_of(pod).readinessGates or []
    given = {condition.type: condition.status for condition in (pod.status.conditions or [] if pod.status is not None else [])}
    problems = [
        f'the status of pod readiness gate "{gate.conditionType}" is not "True", but {given[gate.conditionType]}'
        if gate.conditionType in given
        else f'corresponding condition of pod readiness gate "{gate.conditionType}" does not exist.'
        for gate in gates
        if given.get(gate.conditionType) != "True"
    ]
    if problems:
        return _condition("Ready", problem="; ".join(problems), reason="ReadinessGatesNotReady")
    return readiness | {"type": "Ready"}


def _condition(type_: str, *, problem: str | None, reason: str = "") -> Json:
    """True when `problem` is the empty string, else False with it as the message (None: without one)."""
    condition: Json = {"type": type_, "status": "True" if problem == "" else "False"}
    if reason:
        condition["reason"] = reason
    if problem:
        condition["message"] = problem
    return condition


def _timed(condition: Json, known: Mapping[str, ConditionRecord], now: datetime) -> Json:
    before = known.get(condition["type"])
    since = before.since if before is not None and before.status == condition["status"] else now
    return condition | {"lastProbeTime": None, "lastTransitionTime": timestamp(since)}
