"""What the node's parts tell the master, as a protocol: the link implements it, kubelet and others are given it.

Never blocks and never fails: what cannot be sent now is kept (latest wins per pod; events bounded) and sent on reconnect.
"""

from typing import Any, Protocol

from lightkube.models.core_v1 import Pod

Json = dict[str, Any]


class Reporter(Protocol):
    def pod_status(self, pod: Pod, status: Json, *, terminated: bool = False) -> None:
        """The pod's status as the API shows it (PodStatus as JSON). Latest wins.

        `terminated`: the pod was deleted, all its containers have ended and its node resources are released.
        """
        ...

    def node_status(self, status: Json) -> None:
        """The node's status (NodeStatus as JSON). Latest wins."""
        ...

    def event(self, pod: Pod | None, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        """A core/v1 Event on a pod (or on the node when None). type_: "Normal" or "Warning"."""
        ...


class NodeReporter(Reporter, Protocol):
    """What the kubelet as a whole tells beside it."""

    def mirror_pod(self, namespace: str, name: str, *, manifest: Json | None, uid: str = "") -> None:
        """Have the API show a static pod by this mirror pod; or, without one, show no more the mirror pod of this uid.

        A wish that may be lost: say it again until it shows.
        """
        ...
