"""Takes new pods into the node, or refuses them, by what the node has and is. A handler of `agent.kubelet.admission.chain`.

A pod that the node has taken is never judged again: one that was here before the agent started, which its record or its
containers show, keeps what it has, whatever it asks for now.
"""

from collections.abc import Callable
from pathlib import Path

from lightkube.models.core_v1 import Pod

from agent.kubelet.admission.chain import Refusal
from agent.kubelet.admission.predicates import NodeState, check
from agent.kubelet.devices import Assignment, DeviceManager
from agent.kubelet.labels import identity
from agent.kubelet.pod import record


class NodeAdmission:
    """pod_of: a pod of this node by its uid; None when there is none any more."""

    def __init__(self, *, devices: DeviceManager, node: Callable[[], NodeState], pod_of: Callable[[str], Pod | None]) -> None:
        self.devices = devices
        self._node = node
        self._pod_of = pod_of
        self._taken: set[str] = set()

    def resume(self, pods: Path) -> None:
        """Take the pods that have a record in this folder, as they were. Blocking; before the first worker."""
        for path in pods.glob("*/record.json"):
            found = record.load(path)
            if found is not None and not found.phase:
                self.keep(path.parent.name, found.devices)

    def keep(self, uid: str, devices: Assignment) -> None:
        """The pod has been taken before. Idempotent."""
        self._taken.add(uid)
        self.devices.keep(uid, devices)

    def admit(self, pod: Pod) -> Refusal | None:
        """Judge a pod that is new here. One that is taken has its devices from then on."""
        uid = identity(pod).uid
        others = [other for one in self._taken if one != uid and (other := self._pod_of(one)) is not None]
        refusal = check(pod, self._node(), others=others) or self.devices.allocate(uid, pod)
        if refusal is None:
            self._taken.add(uid)
        return refusal

    def release(self, uid: str) -> None:
        """The pod has ended: others may have what it had. Idempotent."""
        self._taken.discard(uid)
        self.devices.release(uid)
