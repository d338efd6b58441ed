"""Role, ClusterRole and their bindings."""

from datetime import UTC, datetime

import pytest

from master.api.kinds.cluster_role import KIND as CLUSTER_ROLE
from master.api.kinds.cluster_role_binding import KIND as CLUSTER_ROLE_BINDING
from master.api.kinds.kind import Kind
from master.api.kinds.role import KIND as ROLE
from master.api.kinds.role_binding import KIND as ROLE_BINDING
from tests.unit.master.api.kinds.made import Json, created, errors, updated

GROUP = "rbac.authorization.k8s.io"
READ = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}


def binding(**fields: object) -> Json:
    return {"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "User", "name": "bob"}], **fields}


@pytest.mark.parametrize("name", ["system:node", "a b", "x/y"])
def test_a_role_s_name_is_anything_that_fits_into_a_path(name: str) -> None:
    wrong = errors(ROLE, created(ROLE, {"metadata": {"name": name}, "rules": [READ]}))
    assert wrong == (["metadata.name: Invalid value: \"x/y\": may not contain '/'"] if "/" in name else [])


@pytest.mark.parametrize(
    ("kind", "rule", "expected"),
    [
        (ROLE, READ, []),
        (
            ROLE,
            {"apiGroups": [""], "resources": ["pods"]},
            ["rules[0].verbs: Required value: verbs must contain at least one value"],
        ),
        (
            ROLE,
            {"verbs": ["get"]},
            [
                "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                "rules[0].resources: Required value: resource rules must supply at least one resource",
            ],
        ),
        (
            ROLE,
            {"verbs": ["get"], "nonResourceURLs": ["/healthz"]},
            ['rules[0].nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource URLs'],
        ),
        (CLUSTER_ROLE, {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}, []),
        (
            CLUSTER_ROLE,
            {**READ, "nonResourceURLs": ["/x"]},
            [
                'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and '
                "non-resource URLs"
            ],
        ),
        (
            CLUSTER_ROLE,
            {**READ, "resources": ["pods", "secrets"], "resourceNames": ["a"]},
            ["rules[0].resourceNames: Required value: resource names cannot apply to multiple resources"],
        ),
    ],
)
def test_rules_of_roles(kind: Kind, rule: Json, expected: list[str]) -> None:
    assert errors(kind, created(kind, {"rules": [rule]})) == expected


def test_an_aggregation_rule_needs_selectors() -> None:
    assert errors(CLUSTER_ROLE, created(CLUSTER_ROLE, {"aggregationRule": {}})) == [
        "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule "
        "is non-nil"
    ]
    selector = {"matchLabels": {"rbac/aggregate-to-view": "true"}}
    assert errors(CLUSTER_ROLE, created(CLUSTER_ROLE, {"aggregationRule": {"clusterRoleSelectors": [selector]}})) == []


def test_a_binding_s_groups_are_rbac_s_by_default() -> None:
    subjects = [{"kind": "User", "name": "a"}, {"kind": "Group", "name": "b"}, {"kind": "ServiceAccount", "name": "c"}]
    obj = created(ROLE_BINDING, binding(subjects=subjects))
    assert obj["roleRef"] == {"apiGroup": GROUP, "kind": "ClusterRole", "name": "view"}
    assert [subject.get("apiGroup") for subject in obj["subjects"]] == [GROUP, GROUP, None]
    assert errors(ROLE_BINDING, obj) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"roleRef": {"kind": "X", "name": "v"}}, 'roleRef.kind: Unsupported value: "X": supported values: "ClusterRole"'),
        ({"roleRef": {"kind": "ClusterRole"}}, "roleRef.name: Required value"),
        ({"subjects": [{"kind": "User", "name": ""}]}, "subjects[0].name: Required value"),
        ({"subjects": [{"kind": "ServiceAccount", "name": "x"}]}, "subjects[0].namespace: Required value"),
        (
            {"subjects": [{"kind": "Robot", "name": "x"}]},
            'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
        ),
        (
            {"subjects": [{"kind": "User", "name": "x", "apiGroup": "v1"}]},
            f'subjects[0].apiGroup: Unsupported value: "v1": supported values: "{GROUP}"',
        ),
    ],
)
def test_a_wrong_binding_is_refused(fields: Json, expected: str) -> None:
    assert expected in errors(CLUSTER_ROLE_BINDING, created(CLUSTER_ROLE_BINDING, binding(**fields)))


@pytest.mark.parametrize("kind", [ROLE_BINDING, CLUSTER_ROLE_BINDING], ids=lambda kind: kind.kind)
def test_a_binding_s_role_never_changes(kind: Kind) -> None:
    old = created(kind, binding())
    assert errors(kind, updated(kind, old, subjects=[]), old) == []
    changed = updated(kind, old, roleRef={"kind": "ClusterRole", "name": "edit"})
    assert errors(kind, changed, old)[0].endswith("cannot change roleRef")


def test_the_rows_of_bindings_and_roles() -> None:
    subjects = [
        {"kind": "User", "name": "a"},
        {"kind": "User", "name": "b"},
        {"kind": "Group", "name": "g"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
    ]
    row = ROLE_BINDING.row(created(ROLE_BINDING, binding(subjects=subjects)), datetime.now(UTC))
    assert row == ["x", "ClusterRole/view", "<unknown>", "a, b", "g", "n/s"]
    role = {"metadata": {"name": "r", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    assert list(ROLE.row(role, datetime.now(UTC))) == ["r", "2026-01-01T00:00:00Z"]
