"""A whole wherry cluster on one machine: a master, its broker, and nodes as hosts with an engine and an agent each.

Everything is real and started as its user starts it: `wherry-master init`, `run`, `token create`, `wherry-agent join`, `run`,
kubectl. Used by tests/e2e and bench/.
"""

from tests.cluster.cluster import Cluster, Node
from tests.cluster.daemon import Daemon
from tests.cluster.kubectl import Kubectl, kubectl_programs
from tests.cluster.waiting import eventually

__all__ = ["Cluster", "Daemon", "Kubectl", "Node", "eventually", "kubectl_programs"]
