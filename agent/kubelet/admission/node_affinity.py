"""Does a node satisfy what a pod requires of its labels: nodeSelector and required node affinity. Pure; used by admission.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
"""

from collections.abc import Mapping

from lightkube.models.core_v1 import NodeSelectorRequirement, NodeSelectorTerm, Pod

from agent.kubelet.pods import spec_of


def fits(pod: Pod, *, labels: Mapping[str, str], name: str) -> bool:
    """labels, name: the node's."""
    spec = spec_of(pod)
    if any(labels.get(key) != value for key, value in (spec.nodeSelector or {}).items()):
        return False
    affinity = spec.affinity.nodeAffinity if spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    if required is None:
        return True
    return any(_term(term, labels, name) for term in required.nodeSelectorTerms)


def _term(term: NodeSelectorTerm, labels: Mapping[str, str], name: str) -> bool:
    """A term without requirements matches nothing."""
    expressions, fields = term.matchExpressions or [], term.matchFields or []
    if not expressions and not fields:
        return False
    own = {"metadata.name": name}
    return all(_holds(one, labels) for one in expressions) and all(_holds(one, own) for one in fields)


def _holds(requirement: NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(requirement.key), requirement.values or []
    match requirement.operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    try:
        there, asked = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return there > asked if requirement.operator == "Gt" else there < asked
