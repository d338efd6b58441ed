"""Nobody gives what he does not have, and the refusal says in Kubernetes' words what is missing."""

import pytest

from master.api.auth.rbac.escalation import EVERYTHING, TooManyRights, covers, missing_rights, refusal
from master.api.auth.rbac.policy import PolicyRule
from tests.unit.master.api.auth.rbac_world import rule, user

READ_PODS = rule("get list", resources="pods services")


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        ([READ_PODS], [rule("get", resources="pods")], 0),
        ([READ_PODS], [rule("get delete", resources="pods")], 1),
        ([rule("get", resources="pods"), rule("list", resources="pods")], [rule("get list", resources="pods")], 0),
        ([READ_PODS], [rule("get", ("apps",), "pods")], 1),
        ([rule("*", ("*",), "*")], [rule("x", ("y",), "z/a")], 0),
        ([rule("get", resources="pods")], [rule("*", resources="pods")], 1),
        ([rule("get", resources="pods")], [rule("get", resources="*")], 1),
        ([rule("get", resources="*/scale")], [rule("get", resources="pods/scale")], 0),
        ([rule("get", resources="pods/scale")], [rule("get", resources="*/scale")], 1),
        ([rule("get", resources="pods", names="a")], [rule("get", resources="pods")], 1),
        ([rule("get", resources="pods", names="a")], [rule("get", resources="pods", names="a b")], 1),
        ([PolicyRule(("get",), ("",), ("pods",), ("",))], [rule("get", resources="pods")], 1),
        ([rule("get", resources="pods")], [rule("get", resources="pods", names="a")], 0),
        ([rule("get", urls="/a/*")], [rule("get", urls="/a/b /a/c/*")], 0),
        ([rule("get", urls="/a")], [rule("get", urls="/a/*")], 1),
        ([rule("get", urls="*")], [rule("get", urls="*")], 0),
        ([], [READ_PODS], 4),
        ([], [], 0),
        ([rule("*", ("*",), "*")], EVERYTHING, 1),
        (EVERYTHING, EVERYTHING, 0),
    ],
)
def test_a_right_is_missing_unless_some_rule_covers_it(held: list[PolicyRule], wanted: list[PolicyRule], missing: int) -> None:
    assert len(missing_rights(held, wanted)) == missing


def test_a_role_too_large_to_compare_is_refused_quickly() -> None:
    words = " ".join(f"r{number}" for number in range(200))
    with pytest.raises(TooManyRights):
        missing_rights([], [rule(words, tuple(words.split()), words)])
    assert missing_rights([rule("*", ("*",), "*")], [rule(words, tuple(words.split()), words)]) == []


def test_a_refusal_gathers_the_verbs_of_a_resource() -> None:
    missing = missing_rights(
        [], [rule("get list", resources="secrets"), rule("get", urls="/x"), rule("get", resources="a", names="n")]
    )
    assert refusal(user("jane"), missing, []) == (
        'user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["a"], ResourceNames:["n"], Verbs:["get"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}\n'
        '{NonResourceURLs:["/x"], Verbs:["get"]}'
    )
    assert refusal(user("jane"), [], ['clusterrole.x "y" not found']).endswith(
        '; resolution errors: [clusterrole.x "y" not found]'
    )


def test_covering_is_reflexive() -> None:
    for one in (READ_PODS, *EVERYTHING, rule("get", urls="/a/*"), rule("get", resources="pods", names="a")):
        assert covers(one, one)
