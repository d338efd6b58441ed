"""What of the node's CPU and memory its pods have been given, and whether a resize still fits. One for all pod workers.

A pod holds what it was admitted with until a resize of it is admitted or it has ended; a refused resize changes nothing.
https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from lightkube.models.core_v1 import Container, Pod, ResourceRequirements

from agent.kubelet.pods import containers, init_containers, is_sidecar, spec_of
from proto.k8s.quantity import milli, units


@dataclass(frozen=True, slots=True)
class Requests:
    """CPU in millicores, memory in bytes."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(self.cpu + other.cpu, self.memory + other.memory)

    def highest(self, other: "Requests") -> "Requests":
        return Requests(max(self.cpu, other.cpu), max(self.memory, other.memory))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Deferred: it may fit later. Infeasible: it never can. The words are Kubernetes'."""

    reason: Literal["Deferred", "Infeasible"]
    message: str


def pod_requests(pod: Pod) -> Requests:
    """What the pod asks of its node at most, its overhead included.

    Init containers run one by one beside the sidecars before them; the others run together.
    """
    sidecars = initial = Requests()
    for container in init_containers(pod):
        if is_sidecar(container, pod):
            sidecars += _of(container)
            initial = initial.highest(sidecars)
        else:
            initial = initial.highest(sidecars + _of(container))
    running = sidecars
    for container in containers(pod):
        running += _of(container)
    return running.highest(initial) + _requests(spec_of(pod).overhead or {})


def _of(container: Container) -> Requests:
    wanted = container.resources or ResourceRequirements()
    return _requests({**(wanted.limits or {}), **(wanted.requests or {})})


def _requests(amounts: Mapping[str, str]) -> Requests:
    return Requests(milli(amounts.get("cpu", 0)), units(amounts.get("memory", 0)))


class Allocations:
    """allocatable: the node's, as Kubernetes quantities."""

    def __init__(self, allocatable: Callable[[], Mapping[str, str]]) -> None:
        self._allocatable = allocatable
        self._held: dict[str, Requests] = {}
        self._waiting: dict[str, Callable[[], None]] = {}

    def hold(self, uid: str, requests: Requests) -> None:
        """The pod has so much from now on."""
        before = self._held.get(uid)
        self._held[uid] = requests
        self._waiting.pop(uid, None)
        if before is not None and (requests.cpu < before.cpu or requests.memory < before.memory):
            self._tell()

    def release(self, uid: str) -> None:
        """The pod has ended."""
        self._waiting.pop(uid, None)
        if self._held.pop(uid, None) is not None:
            self._tell()

    def refusal(self, uid: str, wanted: Requests, *, retry: Callable[[], None]) -> Refusal | None:
        """Why a pod cannot have so much; None when it can. retry: called once when something became free."""
        allocatable = _requests(self._allocatable())
        for name, asked, capacity in (
            ("memory", wanted.memory, allocatable.memory),
            ("cpu", wanted.cpu, allocatable.cpu),
        ):
            if asked > capacity:
                message = f"Node didn't have enough capacity: {name}, requested: {asked}, capacity: {capacity}"
                return Refusal("Infeasible", message)
        mine = self._held.get(uid, Requests())
        used = Requests()
        for other, held in self._held.items():
            if other != uid:
                used += held
        for name, asked, before, taken, capacity in (
            ("cpu", wanted.cpu, mine.cpu, used.cpu, allocatable.cpu),
            ("memory", wanted.memory, mine.memory, used.memory, allocatable.memory),
        ):
            # What shrinks or stays always fits, also on a node that was overcommitted before.
            if asked > before and asked + taken > capacity:
                self._waiting[uid] = retry
                message = f"Node didn't have enough resource: {name}, requested: {asked}, used: {taken}, capacity: {capacity}"
                return Refusal("Deferred", message)
        return None

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for retry in waiting.values():
            retry()
