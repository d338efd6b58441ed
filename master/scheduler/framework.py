"""What a scheduler plugin is. One file in `master.scheduler.plugins` is one plugin; `master.scheduler.registry` finds it.

A plugin is one class with `name`, built with the Cluster, that implements at least one of the protocols here:

- `Filter` and `Score` look at one node and a pod's shape only. Their results are kept per shape and node until the node
  changes, so they must depend on nothing else.
- `CrossNodeFilter` and `CrossNodeScore` look at several nodes or at the pod's own labels. They are asked for every pod; they
  answer None at once for a pod that does not concern them.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from master.scheduler.cluster import NodeInfo
    from master.scheduler.pod import PodInfo, PodShape


class ClusterEvent(Enum):
    """What may let a pod be placed that could not be."""

    NODE_ADDED = "NodeAdd"
    NODE_LABELS = "NodeLabelChange"
    NODE_TAINTS = "NodeTaintChange"
    NODE_ALLOCATABLE = "NodeAllocatableChange"
    POD_ADDED = "AssignedPodAdd"
    POD_DELETED = "AssignedPodDelete"


@runtime_checkable
class Plugin(Protocol):
    """`name`: Kubernetes' name of the plugin."""

    name: str


@runtime_checkable
class Rejecting(Plugin, Protocol):
    """What all plugins have that reject nodes.

    `order`: the smaller is asked first and gives the reason. `preemptible`: whether removing pods from the node could help.
    `events`: what may undo a rejection; a pod that was rejected is tried again only then.
    """

    order: int
    preemptible: bool
    events: frozenset[ClusterEvent]


@runtime_checkable
class Filter(Rejecting, Protocol):
    def filter(self, pod: "PodShape", node: "NodeInfo") -> Sequence[str]:
        """Why the pod cannot run on the node, in Kubernetes' words; nothing when it can."""
        ...


@runtime_checkable
class Score(Plugin, Protocol):
    """`weight`: of the score, as in Kubernetes. `normalized`: scores are divided by the greatest one first."""

    weight: int
    normalized: bool

    def score(self, pod: "PodShape", node: "NodeInfo") -> float:
        """The higher the better, up to 100. Normalized: any numbers from 0 up, or costs from 0 down."""
        ...


@runtime_checkable
class CrossNodeFilter(Rejecting, Protocol):
    def prepare(self, pod: "PodInfo") -> "Callable[[NodeInfo], str | None] | None":
        """A test of nodes for this pod, that gives the reason against a node; None when any node will do."""
        ...


@runtime_checkable
class CrossNodeScore(Plugin, Protocol):
    cross_weight: int

    def prepare_scores(self, pod: "PodInfo") -> "Callable[[Sequence[NodeInfo]], Sequence[float]] | None":
        """What gives from 0 to 100 for each of the nodes that fit; None when it makes no difference for this pod."""
        ...
