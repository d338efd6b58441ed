"""A container's status as the API shows it, from its instances. Pure. Called by `agent.kubelet.pod.status`.

The newest instance is the container's state and the one before its last state; a container that waits (to be created, or
out its back-off) shows its newest instance as last state instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lightkube.models.core_v1 import Container, VolumeMount

from agent.kubelet.labels import restart_count
from agent.kubelet.pod.record import Amounts
from agent.kubelet.resize.plan import shown
from agent.runtime.spec import ContainerState
from proto.k8s.time import format_time

Json = dict[str, Any]

#: The exit code of a container whose process could not be started, as containerd gives it.
_START_ERROR = 128


@dataclass(frozen=True, slots=True)
class WaitReason:
    """Why a container does not run, in Kubernetes' words (CrashLoopBackOff, ErrImagePull, …)."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What a status shows beyond the runtime's view.

    messages: termination messages by container id. image_names: the reference and pullable id of an image by its id.
    allocated, actuated: as in the pod's record. hooking: ids of instances whose postStart hook runs.
    """

    waiting: Mapping[str, WaitReason] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    messages: Mapping[str, str] = field(default_factory=dict)
    image_id: Callable[[str], str] = lambda image_id: f"docker://{image_id}" if image_id else ""
    allocated: Mapping[str, Amounts] = field(default_factory=dict)
    actuated: Mapping[str, Amounts] = field(default_factory=dict)
    hooking: frozenset[str] = frozenset()


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 in whole seconds, as the API's Time."""
    return format_time(moment) if moment is not None else None


def container_status(
    container: Container,
    instances: tuple[ContainerState, ...],
    *,
    facts: ContainerFacts,
    default_waiting: WaitReason,
    started_matters: bool = True,
) -> Json:
    """instances: newest first. default_waiting: what it shows before its first instance.

    started_matters: False for an ordinary init container, which is ready once it has ended well.
    """
    newest = instances[0] if instances else None
    waiting = facts.waiting.get(container.name)
    last_state: Json = {}
    if newest is None:
        state = _waiting(waiting or default_waiting)
    elif newest.running and newest.id in facts.hooking:
        state = _waiting(default_waiting)
        last_state = _last(instances[1:], facts)
    elif newest.running:
        state = {"running": {"startedAt": timestamp(newest.started_at)}}
        last_state = _last(instances[1:], facts)
    elif waiting is not None:
        state = _waiting(waiting)
        last_state = _terminated(newest, facts)
    else:
        state = _terminated(newest, facts)
        last_state = _last(instances[1:], facts)
    running = newest is not None and newest.running
    started = running and newest is not None and newest.id in facts.started
    if started_matters:
        ready = started and newest is not None and newest.id in facts.ready
    else:
        ready = newest is not None and newest.phase == "exited" and newest.exit_code == 0 and "terminated" in state
    status: Json = {
        "name": container.name,
        "state": state,
        "lastState": last_state,
        "ready": ready,
        "restartCount": restart_count(newest) if newest is not None else 0,
        "image": (newest.image if newest is not None else "") or container.image or "",
        "imageID": facts.image_id(newest.image_id) if newest is not None else "",
        "started": started,
    }
    if newest is not None:
        status["containerID"] = f"docker://{newest.id}"
        given = facts.allocated.get(container.name)
        status["resources"] = shown(container, facts.actuated.get(container.name, given) if running else given)
        if requests := shown(container, given).get("requests"):
            status["allocatedResources"] = requests
        if container.volumeMounts:
            status["volumeMounts"] = [_mounted(mount) for mount in container.volumeMounts]
    return status


def _mounted(mount: VolumeMount) -> Json:
    """Recursive read-only mounts are asked of no engine (agent.kubelet.pod.volumes)."""
    shown: Json = {"name": mount.name, "mountPath": mount.mountPath}
    if mount.readOnly:
        shown |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return shown


def _waiting(why: WaitReason) -> Json:
    waiting = {"reason": why.reason}
    if why.message:
        waiting["message"] = why.message
    return {"waiting": waiting}


def _last(older: tuple[ContainerState, ...], facts: ContainerFacts) -> Json:
    return _terminated(older[0], facts) if older else {}


def _terminated(state: ContainerState, facts: ContainerFacts) -> Json:
    if state.oom_killed:
        reason = "OOMKilled"
    elif state.start_error:
        reason = "StartError"
    else:
        reason = "Error" if state.exit_code else "Completed"
    terminated: Json = {
        "exitCode": state.exit_code if not state.start_error else _START_ERROR,
        "reason": reason,
        "startedAt": timestamp(state.started_at),
        "finishedAt": timestamp(state.finished_at),
        "containerID": f"docker://{state.id}",
    }
    message = state.start_error or facts.messages.get(state.id, "")
    if message:
        terminated["message"] = message
    return {"terminated": terminated}
