"""`kubectl get pods`: STATUS is the reason that matters most, as Kubernetes' printPod finds it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age, human_duration, parse_time

Json = dict[str, Any]

#: The reason of a pod whose node was lost (k8s.io/kubernetes pkg/util/node).
_NODE_LOST = "NodeLost"

COLUMNS = (
    NAME,
    Column(name="Ready", description="The aggregate readiness state of this pod for accepting traffic."),
    Column(name="Status", description="The aggregate status of the containers in this pod."),
    Column(
        name="Restarts",
        description="The number of times the containers in this pod have been restarted and when the last container in this "
        "pod has restarted.",
    ),
    AGE,
    Column(name="IP", priority=1),
    Column(name="Node", priority=1),
    Column(name="Nominated Node", priority=1),
    Column(name="Readiness Gates", priority=1),
)


def row(obj: Json, now: datetime) -> Sequence[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    summary = _Summary(obj, spec, status)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts += f" ({human_duration((now - summary.last_restart).total_seconds())} ago)"
    addresses = status.get("podIPs") or ()
    gates = spec.get("readinessGates") or ()
    return [
        obj["metadata"]["name"],
        f"{summary.ready}/{summary.total}",
        summary.reason,
        restarts,
        age(obj, now),
        (addresses[0].get("ip") if addresses else status.get("podIP")) or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        f"{sum(_condition(status, gate.get('conditionType')) for gate in gates)}/{len(gates)}" if gates else NONE,
    ]


class _Summary:
    """What one pass over a pod's container statuses finds."""

    def __init__(self, obj: Json, spec: Json, status: Json) -> None:
        self.restarts = 0
        self.last_restart: datetime | None = None
        self.ready = 0
        self.total = len(spec.get("containers") or ())
        self.reason: str = status.get("reason") or status.get("phase") or ""
        if any(
            c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in status.get("conditions") or ()
        ):
            self.reason = "SchedulingGated"
        self._sidecar_restarts = 0
        self._sidecar_last_restart: datetime | None = None
        initializing = self._init_containers(spec, status)
        if not initializing or _condition(status, "Initialized"):
            # Once the pod is initialized only the restarts of what still runs count.
            self.restarts, self.last_restart = self._sidecar_restarts, self._sidecar_last_restart
            self._containers(status)
        if obj["metadata"].get("deletionTimestamp"):
            if status.get("reason") == _NODE_LOST:
                self.reason = "Unknown"
            elif status.get("phase") not in ("Succeeded", "Failed"):
                self.reason = "Terminating"

    def _init_containers(self, spec: Json, status: Json) -> bool:
        """Count the init containers; True while one of them holds the pod back."""
        declared = {c.get("name"): c for c in spec.get("initContainers") or ()}
        sidecars = {name for name, c in declared.items() if c.get("restartPolicy") == "Always"}
        self.total += len(sidecars)
        for index, container in enumerate(status.get("initContainerStatuses") or ()):
            self._note_restart(container)
            sidecar = container.get("name") in sidecars
            if sidecar:
                self._sidecar_restarts += container.get("restartCount", 0)
                self._sidecar_last_restart = _latest(self._sidecar_last_restart, _ended(container))
            state = container.get("state") or {}
            terminated, waiting = state.get("terminated"), state.get("waiting")
            if terminated is not None and terminated.get("exitCode", 0) == 0:
                continue
            if sidecar and container.get("started"):
                self.ready += bool(container.get("ready"))
                continue
            if terminated is not None:
                self.reason = "Init:" + _terminated_reason(terminated)
            elif waiting and waiting.get("reason") and waiting["reason"] != "PodInitializing":
                self.reason = "Init:" + waiting["reason"]
            else:
                self.reason = f"Init:{index}/{len(declared)}"
            return True
        return False

    def _containers(self, status: Json) -> None:
        running = False
        for container in reversed(status.get("containerStatuses") or ()):
            self._note_restart(container)
            state = container.get("state") or {}
            terminated, waiting = state.get("terminated"), state.get("waiting")
            if waiting and waiting.get("reason"):
                self.reason = waiting["reason"]
            elif terminated is not None:
                self.reason = _terminated_reason(terminated)
            elif container.get("ready") and state.get("running") is not None:
                running = True
                self.ready += 1
        if self.reason == "Completed" and running:
            self.reason = "Running" if _condition(status, "Ready") else "NotReady"

    def _note_restart(self, container: Json) -> None:
        self.restarts += container.get("restartCount", 0)
        self.last_restart = _latest(self.last_restart, _ended(container))


def _terminated_reason(terminated: Json) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _ended(container: Json) -> datetime | None:
    """When the container's former run ended."""
    finished = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
    return parse_time(finished) if finished else None


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((time for time in (one, other) if time), default=None)


def _condition(status: Json, kind: Any) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in status.get("conditions") or ())
