"""Label selectors of workloads: metav1.LabelSelector and the plain maps of Services.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from collections.abc import Mapping

from lightkube.models.meta_v1 import LabelSelector


def selects_nothing(selector: LabelSelector | None) -> bool:
    """True without any requirement: controllers treat that as an error of the user, never as "everything"."""
    return selector is None or not (selector.matchLabels or selector.matchExpressions)


def matches(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether the labels meet every requirement. An empty selector matches everything, a missing one nothing."""
    if selector is None:
        return False
    if not contains(selector.matchLabels or {}, labels):
        return False
    for requirement in selector.matchExpressions or ():
        value = labels.get(requirement.key)
        values = requirement.values or ()
        match requirement.operator:
            case "In":
                met = value is not None and value in values
            case "NotIn":
                met = value is None or value not in values
            case "Exists":
                met = value is not None
            case "DoesNotExist":
                met = value is None
            case _:
                met = False
        if not met:
            return False
    return True


def contains(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every wanted label is there with its value."""
    return all(labels.get(key) == value for key, value in wanted.items())
