"""An end that the node itself decides for a pod: eviction, shutdown. Carried out by the pod's worker."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Termination:
    """The pod ends with phase Failed, this reason and message. grace: seconds at most, shorter if the pod asks for less.

    disruption: told as condition DisruptionTarget (TerminationByKubelet) too, so that controllers can tell it from a failure
    of the pod's own. https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
    """

    reason: str
    message: str
    grace: float
    disruption: bool = False
