"""Which rules a role gathers from others."""

from lightkube.models.meta_v1 import LabelSelector, LabelSelectorRequirement, ObjectMeta
from lightkube.models.rbac_v1 import AggregationRule, PolicyRule
from lightkube.resources.rbac_authorization_v1 import ClusterRole

from master.controllers.cluster_role_aggregation import gathered


def role(name: str, *verbs: str, labels: dict[str, str] | None = None) -> ClusterRole:
    rules = [PolicyRule(verbs=[verb], apiGroups=[""], resources=["pods"]) for verb in verbs]
    return ClusterRole(metadata=ObjectMeta(name=name, labels=labels), rules=rules)


def gathers(*selectors: LabelSelector) -> ClusterRole:
    return ClusterRole(metadata=ObjectMeta(name="all", labels={"a": "b"}), aggregationRule=AggregationRule(list(selectors)))


def verbs(rules: list[PolicyRule]) -> list[str]:
    return [verb for rule in rules for verb in rule.verbs]


OTHERS = [
    role("z", "get", labels={"a": "b"}),
    role("y", "list", "get", labels={"a": "b", "c": "d"}),
    role("x", "delete", labels={"a": "c"}),
    role("w", "watch"),
]


def test_rules_of_selected_roles_are_taken_once_in_the_order_of_names() -> None:
    made = gathers(LabelSelector(matchLabels={"a": "b"}))
    assert verbs(gathered(made, [*OTHERS, made])) == ["list", "get"]


def test_selectors_add_up() -> None:
    expression = LabelSelectorRequirement(key="a", operator="In", values=["c"])
    made = gathers(LabelSelector(matchLabels={"c": "d"}), LabelSelector(matchExpressions=[expression]))
    assert verbs(gathered(made, OTHERS)) == ["list", "get", "delete"]


def test_an_empty_selector_takes_all_but_the_role_itself() -> None:
    made = gathers(LabelSelector())
    made.rules = [PolicyRule(verbs=["own"])]
    assert verbs(gathered(made, [*OTHERS, made])) == ["watch", "delete", "list", "get"]
