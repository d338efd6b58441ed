"""What a rule allows, and that the index says the same as the rule's meaning."""

import random

import pytest

from master.api.auth.protocol import NO_OPINION, Attributes, Decision
from master.api.auth.rbac.grants import Grants
from master.api.auth.rbac.policy import PolicyRule, rule_allows
from tests.unit.master.api.auth.rbac_world import rule, user, wants

JANE = user("jane")
NAMED = rule("get", resources="pods", names="a b")
SCALE = rule("update", ("*",), "*/scale")


@pytest.mark.parametrize(
    ("given", "verb", "resource", "more", "allowed"),
    [
        (rule("get", resources="pods"), "get", "pods", {}, True),
        (rule("get", resources="pods"), "list", "pods", {}, False),
        (rule("get", resources="pods"), "get", "pods", {"group": "apps"}, False),
        (rule("get", resources="pods"), "get", "pods/log", {}, False),
        (rule("get", resources="pods/log"), "get", "pods/log", {}, True),
        (rule("get", resources="pods/log"), "get", "pods", {}, False),
        (rule("get", resources="*"), "get", "pods/log", {}, True),
        (rule("get", resources="pods/*"), "get", "pods/log", {}, False),
        (rule("*", ("*",), "*"), "anything", "whatever/below", {"group": "x.io"}, True),
        (rule("*", ("*",), "*"), "get", "/healthz", {}, False),
        (NAMED, "get", "pods", {"name": "a"}, True),
        (NAMED, "get", "pods", {"name": "c"}, False),
        (NAMED, "get", "pods", {"name": ""}, False),
        (SCALE, "update", "deployments/scale", {"group": "apps"}, True),
        (SCALE, "update", "deployments/status", {"group": "apps"}, False),
        (SCALE, "update", "scale", {}, False),
        (rule("get", urls="/healthz"), "get", "/healthz", {}, True),
        (rule("get", urls="/healthz"), "get", "/healthz/etcd", {}, False),
        (rule("get", urls="/healthz/*"), "get", "/healthz/etcd", {}, True),
        (rule("get", urls="/healthz/*"), "get", "/healthz", {}, False),
        (rule("get", urls="*"), "get", "/x", {}, True),
        (rule("get", urls="*"), "post", "/x", {}, False),
        (rule("get", urls="/a"), "get", "pods", {}, False),
        (rule("", resources="pods"), "get", "pods", {}, False),
    ],
)
def test_a_rule_allows_what_kubernetes_says(
    given: PolicyRule, verb: str, resource: str, more: dict[str, str], allowed: bool
) -> None:
    assert rule_allows(given, wants(JANE, verb, resource, **more)) is allowed


def test_arranged_rules_allow_exactly_what_the_rules_do() -> None:
    choose = random.Random(3)

    def some(of: list[str], most: int = 2) -> tuple[str, ...]:
        return tuple(choose.sample(of, choose.randint(1, most)))

    verbs, groups, names = ["get", "list", "update", "*"], ["", "apps", "*"], ["a", "b"]
    resources = ["pods", "pods/log", "deployments", "deployments/scale", "*/scale", "*"]
    paths = ["/a", "/a/b", "/a/*", "/b*", "*"]
    asked = 0
    for _ in range(300):
        rules = []
        for _ in range(choose.randint(1, 4)):
            if choose.random() < 0.3:
                rules.append(PolicyRule(verbs=some(verbs), non_resource_urls=some(paths)))
                continue
            restricted = some(names) if choose.random() < 0.3 else ()
            rules.append(PolicyRule(some(verbs), some(groups), some(resources), restricted))
        grants = Grants((one, Decision(True)) for one in rules)
        for _ in range(40):
            verb, group = choose.choice(verbs[:3]), choose.choice(groups[:2])
            resource, name = choose.choice(resources[:4]), choose.choice(["", "a", "c"])
            question = wants(JANE, verb, resource, group=group, name=name)
            if choose.random() < 0.3:
                question = Attributes(JANE, verb, path=choose.choice(["/a", "/a/b", "/b", "/c"]))
            expected = any(rule_allows(one, question) for one in rules)
            assert grants.authorize(question).allowed is expected, (rules, question)
            asked += 1
    assert asked == 12_000


def test_no_rule_is_no_opinion() -> None:
    assert Grants(()).authorize(wants(JANE, "get", "pods")) is NO_OPINION
