"""Who holds what: subjects, scopes, changes, and that no request looks at everybody's bindings."""

import json
from typing import Any

import pytest

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import Attributes, UserInfo
from master.api.auth.rbac.index import RbacIndex
from master.client.errors import StatusError
from master.store.cache import CacheListener
from master.store.cached import CachedObject, CacheEvent, cached
from master.store.protocol import KeyValue
from tests.unit.master.api.auth.rbac_world import Roles, rule, user, wants

READER = rule("get list", resources="pods")
JANE = user("jane", "team")
ROBOT = UserInfo("system:serviceaccount:ns:robot", groups=("system:serviceaccounts", "system:serviceaccounts:ns"))


@pytest.fixture
def roles() -> Roles:
    made = Roles()
    made.role("reader", READER)
    return made


def test_nobody_may_without_a_binding(roles: Roles) -> None:
    assert not roles.allows(wants(JANE, "get", "pods"))


@pytest.mark.parametrize("to", ["User/jane", "Group/team", "Group/system:authenticated"])
def test_a_cluster_role_binding_counts_everywhere(roles: Roles, to: str) -> None:
    roles.bind("reader", to)
    assert roles.allows(wants(JANE, "get", "pods", "ns"))
    assert roles.allows(wants(JANE, "list", "pods", ""))
    assert not roles.allows(wants(JANE, "delete", "pods"))


def test_a_role_binding_counts_in_its_namespace_alone(roles: Roles) -> None:
    roles.bind("reader", "User/jane", namespace="ns")
    assert roles.allows(wants(JANE, "get", "pods", "ns"))
    assert not roles.allows(wants(JANE, "get", "pods", "other"))
    assert not roles.allows(wants(JANE, "list", "pods", ""))


def test_a_role_of_a_namespace_is_another_one_elsewhere(roles: Roles) -> None:
    roles.role("local", READER, namespace="ns")
    roles.bind("local", "User/jane", namespace="ns", kind="Role")
    roles.bind("local", "User/jane", namespace="other", kind="Role")
    assert roles.allows(wants(JANE, "get", "pods", "ns"))
    assert not roles.allows(wants(JANE, "get", "pods", "other"))


@pytest.mark.parametrize("to", ["ServiceAccount/ns/robot", "Group/system:serviceaccounts", "Group/system:serviceaccounts:ns"])
def test_a_service_account_is_bound_by_name_and_by_group(roles: Roles, to: str) -> None:
    roles.bind("reader", to)
    assert roles.allows(wants(ROBOT, "get", "pods"))
    other = UserInfo("system:serviceaccount:b:robot", groups=("system:serviceaccounts:b",))
    assert not roles.allows(wants(other, "get", "pods"))


def test_a_service_account_without_namespace_is_of_the_bindings_own(roles: Roles) -> None:
    roles.bind("reader", "ServiceAccount//robot", namespace="ns")
    assert roles.allows(wants(ROBOT, "get", "pods"))


def test_a_path_is_allowed_by_the_cluster_alone(roles: Roles) -> None:
    roles.role("paths", rule("get", urls="/metrics"))
    roles.bind("paths", "User/jane", namespace="ns")
    assert not roles.allows(Attributes(JANE, "get", path="/metrics"))
    roles.bind("paths", "User/jane")
    assert roles.allows(Attributes(JANE, "get", path="/metrics"))


def test_changes_of_roles_and_bindings_count_at_once(roles: Roles) -> None:
    roles.bind("reader", "User/jane")
    assert roles.allows(wants(JANE, "get", "pods"))
    roles.role("reader", rule("get", resources="nodes"))
    assert not roles.allows(wants(JANE, "get", "pods"))
    roles.role("reader", READER)
    roles.bind("reader", "User/bob")
    assert not roles.allows(wants(JANE, "get", "pods"))
    assert roles.allows(wants(user("bob"), "get", "pods"))
    roles.index.put_binding("", "reader-binding", None)
    assert not roles.allows(wants(user("bob"), "get", "pods"))


def test_a_binding_with_the_same_subject_twice_goes_as_one(roles: Roles) -> None:
    roles.bind("reader", "User/jane", "User/jane", namespace="ns")
    roles.index.put_binding("ns", "reader-binding", None)
    assert not roles.allows(wants(JANE, "get", "pods"))


def test_why_it_is_allowed_names_binding_role_and_subject(roles: Roles) -> None:
    roles.bind("reader", "Group/team", namespace="ns", name="b")
    reason = roles.authorization.authorize(wants(JANE, "get", "pods")).reason
    assert reason == 'RBAC: allowed by RoleBinding "b/ns" of ClusterRole "reader" to Group "team"'
    roles.bind("reader", "ServiceAccount/ns/robot", name="c")
    reason = roles.authorization.authorize(wants(ROBOT, "get", "pods")).reason
    assert reason == 'RBAC: allowed by ClusterRoleBinding "c" of ClusterRole "reader" to ServiceAccount "robot/ns"'


def test_a_refusal_names_roles_that_do_not_exist(roles: Roles) -> None:
    roles.bind("gone", "User/jane", name="a")
    with pytest.raises(StatusError) as caught:
        roles.authorization.check(wants(JANE, "get", "pods", name="p"))
    assert caught.value.message == (
        'pods "p" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "ns": '
        'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'
    )
    roles.bind("lost", "Group/team", namespace="ns", kind="Role")
    reason = roles.authorization.authorize(wants(JANE, "get", "pods")).reason
    assert reason == (
        'RBAC: [clusterrole.rbac.authorization.k8s.io "gone" not found, role.rbac.authorization.k8s.io "lost" not found]'
    )
    roles.bind("reader", "User/jane", name="b")
    assert roles.allows(wants(JANE, "get", "pods"))


def test_rules_are_listed_once_for_each_binding(roles: Roles) -> None:
    roles.bind("reader", "User/jane", "Group/team")
    rules, errors = roles.index.rules_for(JANE, "ns")
    assert (rules, errors) == ([READER], [])


def test_a_request_arranges_nothing_but_its_own_users_bindings(roles: Roles) -> None:
    """50 bindings of one user among 2,000: arranged once, looked up afterwards, whoever else there is."""
    for number in range(2_000):
        name = "jane" if number % 40 == 0 else f"user-{number}"
        roles.bind("reader", f"User/{name}", name=f"b{number}")
    for _ in range(100):
        assert not roles.allows(wants(JANE, "delete", "pods"))
    assert roles.index.arranged == 1
    roles.bind("reader", "User/user-1", name="another")
    assert not roles.allows(wants(JANE, "delete", "pods"))
    assert roles.index.arranged == 1
    roles.role("another", READER)
    assert not roles.allows(wants(JANE, "delete", "pods"))
    assert roles.index.arranged == 2


class Fed:
    """Tells an index what a watch cache would."""

    def __init__(self) -> None:
        self.listeners: dict[str, CacheListener] = {}
        self.index = RbacIndex()
        self.index.follow(self)

    def listen(self, prefix: str, listener: CacheListener) -> None:
        self.listeners[prefix.split("/")[3]] = listener

    def put(self, plural: str, **obj: Any) -> None:
        change = CacheEvent("MODIFIED", self.cached(plural, **obj), None, 1)
        self.listeners[plural].apply(change)

    def delete(self, plural: str, **obj: Any) -> None:
        self.listeners[plural].apply(CacheEvent("DELETED", self.cached(plural, **obj), None, 1))

    def cached(self, plural: str, **obj: Any) -> CachedObject:
        key = f"/registry/rbac.authorization.k8s.io/{plural}/-/{obj['metadata']['name']}"
        return cached(KeyValue(key, json.dumps(obj).encode(), 1, 1))


RULES = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]
TO_JANE = {
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
    "subjects": [{"kind": "User", "name": "jane"}],
}


def test_the_cache_feeds_the_index() -> None:
    fed = Fed()
    authorization = Authorization(fed.index)
    asked = wants(JANE, "get", "pods")
    role, binding = {"metadata": {"name": "reader"}, "rules": RULES}, {"metadata": {"name": "b", "namespace": "ns"}, **TO_JANE}
    fed.put("clusterroles", **role)
    fed.put("rolebindings", **binding)
    assert authorization.authorize(asked).allowed
    fed.delete("rolebindings", **binding)
    assert not authorization.authorize(asked).allowed
    fed.listeners["rolebindings"].reset([fed.cached("rolebindings", **binding)])
    assert authorization.authorize(asked).allowed
    fed.delete("clusterroles", **role)
    assert authorization.authorize(asked).reason == 'RBAC: clusterrole.rbac.authorization.k8s.io "reader" not found'
    fed.put("clusterroles", **role)
    fed.listeners["rolebindings"].reset([])
    assert not authorization.authorize(asked).allowed


def test_what_cannot_be_read_gives_nothing_and_takes_back_what_was_given() -> None:
    fed = Fed()
    authorization = Authorization(fed.index)
    asked = wants(JANE, "get", "pods")
    fed.put("clusterroles", metadata={"name": "reader"}, rules=RULES)
    fed.put("clusterrolebindings", metadata={"name": "b"}, **TO_JANE)
    assert authorization.authorize(asked).allowed
    fed.put("clusterroles", metadata={"name": "reader"}, rules="all")
    assert not authorization.authorize(asked).allowed
    fed.put("clusterroles", metadata={"name": "reader"}, rules=RULES)
    fed.put("clusterrolebindings", metadata={"name": "b"}, roleRef=TO_JANE["roleRef"], subjects=[{"kind": 1}])
    assert not authorization.authorize(asked).allowed
