"""Audit policies: which rule decides, and which files are refused."""

from typing import Any

import pytest

from master.api.audit.policy import Decision, InvalidPolicy, Level, parse
from master.api.auth.protocol import UserInfo
from master.api.http.request_info import parse as parse_request

JANE = UserInfo("jane", groups=("team", "system:authenticated"))


def policy(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}


def decided(rule: dict[str, Any], path: str, method: str = "GET", user: UserInfo = JANE) -> bool:
    """Whether a rule of level Metadata matches a request."""
    found = parse({**policy({"level": "Metadata", **rule})})
    return found.decide(parse_request(method, path, watch=False).attributes(user)).level is Level.METADATA


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [
        ({}, "/api/v1/pods", True),
        ({}, "/healthz", True),
        ({"users": ["jane"]}, "/api/v1/pods", True),
        ({"users": ["joe"]}, "/api/v1/pods", False),
        ({"userGroups": ["team"]}, "/api/v1/pods", True),
        ({"userGroups": ["other"]}, "/api/v1/pods", False),
        ({"verbs": ["list"]}, "/api/v1/pods", True),
        ({"verbs": ["get"]}, "/api/v1/pods", False),
        ({"namespaces": ["a"]}, "/api/v1/namespaces/a/pods", True),
        ({"namespaces": ["a"]}, "/api/v1/namespaces/b/pods", False),
        ({"namespaces": [""]}, "/api/v1/nodes", True),
        ({"namespaces": ["a"]}, "/healthz", False),
        ({"resources": [{"group": ""}]}, "/api/v1/pods", True),
        ({"resources": [{"group": "apps"}]}, "/api/v1/pods", False),
        ({"resources": [{"group": "*", "resources": ["pods"]}]}, "/api/v1/pods", True),
        ({"resources": [{"resources": ["pods"]}]}, "/api/v1/namespaces/a/pods/x/log", False),
        ({"resources": [{"resources": ["pods/log"]}]}, "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": [{"resources": ["pods/*"]}]}, "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": [{"resources": ["*/log"]}]}, "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": [{"resources": ["*"]}]}, "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": [{"resources": ["pods"], "resourceNames": ["x"]}]}, "/api/v1/namespaces/a/pods/x", True),
        ({"resources": [{"resources": ["pods"], "resourceNames": ["x"]}]}, "/api/v1/namespaces/a/pods/y", False),
        ({"nonResourceURLs": ["/healthz*"]}, "/healthz/ping", True),
        ({"nonResourceURLs": ["/healthz"]}, "/livez", False),
        ({"nonResourceURLs": ["*"]}, "/api/v1/pods", False),
    ],
)
def test_a_rule_matches_what_it_names(rule: dict[str, Any], path: str, matches: bool) -> None:
    assert decided(rule, path) is matches


def test_the_first_rule_that_matches_decides_and_nothing_is_written_by_default() -> None:
    found = parse(
        policy(
            {"level": "None", "verbs": ["list"], "omitStages": ["Panic"]},
            {"level": "RequestResponse", "resources": [{"resources": ["pods"]}], "omitManagedFields": True},
            omitStages=["RequestReceived"],
        )
    )
    get = parse_request("GET", "/api/v1/namespaces/a/pods/x", watch=False).attributes(JANE)
    assert found.decide(get) == Decision(Level.REQUEST_RESPONSE, frozenset({"RequestReceived"}), omit_managed_fields=True)
    listed = parse_request("GET", "/api/v1/pods", watch=False).attributes(JANE)
    assert found.decide(listed).level is Level.NONE
    other = parse_request("GET", "/api/v1/nodes/x", watch=False).attributes(JANE)
    assert found.decide(other).level is Level.NONE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "Expected `object`"),
        (policy(), "0 rules"),
        ({**policy({"level": "None"}), "apiVersion": "audit.k8s.io/v1beta1"}, "not audit.k8s.io/v1 Policy"),
        (policy({}), "rules[0].level: Required value"),
        (policy({"level": "All"}), 'rules[0].level: Unsupported value: "All"'),
        (policy({"level": "None", "user": ["x"]}), "unknown field `user`"),
        (policy({"level": "None", "omitStages": ["Later"]}), 'rules[0].omitStages[0]: Invalid value: "Later"'),
        (policy({"level": "None"}, omitStages=["x"]), "omitStages[0]"),
        (policy({"level": "None", "nonResourceURLs": ["healthz"]}), "must begin with a '/'"),
        (policy({"level": "None", "nonResourceURLs": ["/a*b"]}), "must be the final character"),
        (policy({"level": "None", "nonResourceURLs": ["/a"], "namespaces": ["x"]}), "cannot apply to both"),
        (policy({"level": "None", "resources": [{"resourceNames": ["x"]}]}), "requires at least one resource"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(content: Any, words: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        parse(content)
    assert words in str(refused.value)
