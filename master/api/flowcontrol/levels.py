"""The priority levels and flow schemas of a Kubernetes cluster as it comes, and which of them a request is of. Pure.

Source: k8s.io/apiserver pkg/apis/flowcontrol/bootstrap/default.go
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from master.api.auth.protocol import MASTERS, UserInfo
from master.api.http.request_info import RequestInfo


@dataclass(frozen=True, slots=True)
class PriorityLevel:
    """`shares` of all seats are its own; of these it lends `lendable` percent while it does not need them."""

    name: str
    shares: int
    lendable: int


EXEMPT = "exempt"
NODE_HIGH = PriorityLevel("node-high", 40, 25)
SYSTEM = PriorityLevel("system", 30, 33)
LEADER_ELECTION = PriorityLevel("leader-election", 10, 0)
WORKLOAD_HIGH = PriorityLevel("workload-high", 40, 50)
WORKLOAD_LOW = PriorityLevel("workload-low", 100, 90)
GLOBAL_DEFAULT = PriorityLevel("global-default", 20, 50)
LEVELS: Sequence[PriorityLevel] = (NODE_HIGH, SYSTEM, LEADER_ELECTION, WORKLOAD_HIGH, WORKLOAD_LOW, GLOBAL_DEFAULT)

_NODES = "system:nodes"
_SERVICE_ACCOUNTS = "system:serviceaccounts"
_SYSTEM_SERVICE_ACCOUNTS = "system:serviceaccounts:kube-system"
_CONTROL_PLANE = frozenset({"system:kube-controller-manager", "system:kube-scheduler"})
_PROBES = ("/healthz", "/livez", "/readyz")


class Flow(msgspec.Struct, frozen=True, gc=False):
    """Requests that share a queue: a level's, of one user. `level` None: exempt."""

    level: PriorityLevel | None
    schema: str
    user: str


_MASTERS = Flow(None, EXEMPT, "")
_PROBE = Flow(None, "probes", "")


def flow_of(user: UserInfo, info: RequestInfo) -> Flow:
    """The first flow schema that matches, as Kubernetes orders them."""
    groups = user.groups
    if MASTERS in groups:
        return _MASTERS
    if not info.is_resource and info.path.startswith(_PROBES):
        return _PROBE
    name = user.name
    if _NODES in groups:
        high = info.resource == "nodes" or info.resource == "leases"
        return Flow(NODE_HIGH, "system-node-high", name) if high else Flow(SYSTEM, "system-nodes", name)
    leases = info.group == "coordination.k8s.io" and info.resource == "leases"
    if name in _CONTROL_PLANE:
        if leases:
            return Flow(LEADER_ELECTION, "system-leader-election", name)
        return Flow(WORKLOAD_HIGH, name.removeprefix("system:"), name)
    if _SYSTEM_SERVICE_ACCOUNTS in groups:
        if leases:
            return Flow(LEADER_ELECTION, "workload-leader-election", name)
        return Flow(WORKLOAD_HIGH, "kube-system-service-accounts", name)
    if _SERVICE_ACCOUNTS in groups:
        return Flow(WORKLOAD_LOW, "service-accounts", name)
    return Flow(GLOBAL_DEFAULT, "global-default", name)
