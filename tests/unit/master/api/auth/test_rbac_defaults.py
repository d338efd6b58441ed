"""Kubernetes' default roles: what they give, and how a start brings a cluster's up to them."""

import copy
from collections.abc import Sequence

import msgspec
import pytest

from master.api.auth.protocol import ANONYMOUS_USER, MASTERS
from master.api.auth.rbac.defaults.objects import AUTOUPDATE
from master.api.auth.rbac.defaults.reconcile import BINDINGS, ROLES, difference, reconcile
from master.api.auth.rbac.policy import StoredBinding, rules_of
from master.api.kinds.registry import KINDS
from master.client.errors import StatusError
from master.client.protocol import DeleteOptions, Json, ResourceRef
from tests.unit.master.api.auth.rbac_world import Roles, user, wants

PLURALS = {
    "ClusterRole": "clusterroles",
    "Role": "roles",
    "ClusterRoleBinding": "clusterrolebindings",
    "RoleBinding": "rolebindings",
}


@pytest.fixture
def defaults() -> Roles:
    """A cluster with nothing but the defaults, and a person for each role."""
    roles = Roles()
    for role in ROLES:
        roles.index.put_role(role["metadata"].get("namespace", ""), role["metadata"]["name"], rules_of(role))
    for binding in BINDINGS:
        metadata = binding["metadata"]
        roles.index.put_binding(metadata.get("namespace", ""), metadata["name"], msgspec.convert(binding, StoredBinding))
    for name in ("view", "edit", "admin"):
        roles.bind(name, f"User/{name}", namespace="ns")
    return roles


@pytest.mark.parametrize("obj", [*ROLES, *BINDINGS], ids=lambda obj: f"{obj['kind']} {obj['metadata']['name']}")
def test_a_default_is_valid(obj: dict[str, object]) -> None:
    kind = KINDS.get("rbac.authorization.k8s.io", "v1", PLURALS[str(obj["kind"])])
    assert kind is not None
    made = copy.deepcopy(obj)
    made["metadata"]["uid"] = "u"  # type: ignore[index]
    kind.default(made)
    assert kind.validate(made, None) == []


@pytest.mark.parametrize(
    ("who", "verb", "resource", "group", "allowed"),
    [
        ("view", "get", "pods", "", True),
        ("view", "list", "deployments", "apps", True),
        ("view", "get", "pods/log", "", True),
        ("view", "get", "secrets", "", False),
        ("view", "create", "pods", "", False),
        ("view", "create", "pods/exec", "", False),
        ("view", "get", "roles", "rbac.authorization.k8s.io", False),
        ("view", "list", "pods", "metrics.k8s.io", True),
        ("edit", "get", "nodes", "metrics.k8s.io", True),
        ("admin", "list", "pods", "metrics.k8s.io", True),
        ("stranger", "list", "pods", "metrics.k8s.io", False),
        ("edit", "get", "secrets", "", True),
        ("edit", "create", "pods/exec", "", True),
        ("edit", "patch", "deployments/scale", "apps", True),
        ("edit", "create", "serviceaccounts/token", "", True),
        ("edit", "impersonate", "serviceaccounts", "", True),
        ("edit", "get", "roles", "rbac.authorization.k8s.io", False),
        ("edit", "create", "rolebindings", "rbac.authorization.k8s.io", False),
        ("edit", "update", "resourcequotas", "", False),
        ("edit", "create", "endpoints", "", False),
        ("admin", "create", "rolebindings", "rbac.authorization.k8s.io", True),
        ("admin", "escalate", "roles", "rbac.authorization.k8s.io", False),
        ("admin", "bind", "clusterroles", "rbac.authorization.k8s.io", False),
        ("admin", "create", "localsubjectaccessreviews", "authorization.k8s.io", True),
        ("admin", "update", "namespaces", "", False),
        ("admin", "get", "nodes", "", False),
        ("stranger", "get", "pods", "", False),
        ("stranger", "create", "selfsubjectaccessreviews", "authorization.k8s.io", True),
        ("stranger", "create", "selfsubjectreviews", "authentication.k8s.io", True),
        ("stranger", "create", "subjectaccessreviews", "authorization.k8s.io", False),
        ("stranger", "get", "/apis/apps/v1", "", True),
        ("stranger", "get", "/openapi/v3", "", True),
        ("stranger", "get", "/metrics", "", False),
        ("system:kube-scheduler", "create", "pods/binding", "", True),
    ],
)
def test_the_default_roles_give_what_kubernetes_gives(
    defaults: Roles, who: str, verb: str, resource: str, group: str, allowed: bool
) -> None:
    assert defaults.allows(wants(user(who), verb, resource, group=group)) is allowed
    if allowed and who in ("view", "edit", "admin"):
        assert not defaults.allows(wants(user(who), verb, resource, "other", group=group))


def test_nobody_sees_health_and_version_alone(defaults: Roles) -> None:
    assert all(
        defaults.allows(wants(ANONYMOUS_USER, "get", path)) for path in ("/healthz", "/readyz", "/version", "/version/")
    )
    assert not any(
        defaults.allows(wants(ANONYMOUS_USER, "get", path)) for path in ("/", "/api", "/apis", "/openapi/v2", "/metrics")
    )
    assert not defaults.allows(wants(ANONYMOUS_USER, "create", "selfsubjectaccessreviews", group="authorization.k8s.io"))


def test_the_role_of_masters_is_written_down_too(defaults: Roles) -> None:
    assert [rule.verbs for rule in defaults.index.rules_for(user("x", MASTERS), "")[0]][:2] == [("*",), ("*",)]


ROLE = next(role for role in ROLES if role["metadata"]["name"] == "system:monitoring")
VIEW = next(role for role in ROLES if role["metadata"]["name"] == "view")
BINDING = next(binding for binding in BINDINGS if binding["metadata"]["name"] == "system:discovery")


def test_what_is_there_is_left_alone() -> None:
    assert all(difference(one, copy.deepcopy(one)) is None for one in (*ROLES, *BINDINGS))


def test_what_is_missing_comes_back() -> None:
    assert difference(ROLE, None) == ROLE
    empty = {**copy.deepcopy(ROLE), "rules": []}
    assert difference(ROLE, empty) == ROLE
    nobody = {**copy.deepcopy(BINDING), "subjects": []}
    assert difference(BINDING, nobody) == BINDING


def test_what_an_admin_added_stays() -> None:
    mine = {"verbs": ["get"], "nonResourceURLs": ["/mine"]}
    changed = copy.deepcopy(ROLE)
    changed["rules"] = [mine]
    changed["metadata"]["labels"] = {"mine": "yes"}
    wanted = difference(ROLE, changed)
    assert wanted is not None
    assert wanted["rules"] == [mine, *ROLE["rules"]]
    assert wanted["metadata"]["labels"] == {"mine": "yes", "kubernetes.io/bootstrapping": "rbac-defaults"}
    more = copy.deepcopy(BINDING)
    more["subjects"] = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "bob"}]
    wanted = difference(BINDING, more)
    assert wanted is not None
    assert [subject["name"] for subject in wanted["subjects"]] == ["bob", "system:authenticated"]


def test_a_wider_rule_of_an_admin_needs_no_narrower_one() -> None:
    wider = copy.deepcopy(ROLE)
    wider["rules"] = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
    assert difference(ROLE, wider) is None


def test_an_annotation_keeps_the_start_from_changing_an_object() -> None:
    mine = copy.deepcopy(ROLE)
    mine["rules"] = []
    mine["metadata"]["annotations"][AUTOUPDATE] = "false"
    assert difference(ROLE, mine) is None


def test_a_role_that_gathers_keeps_what_its_controller_gathered() -> None:
    gathered = copy.deepcopy(VIEW)
    gathered["rules"] = [{"verbs": ["get"], "apiGroups": ["x"], "resources": ["y"]}]
    assert difference(VIEW, gathered) is None
    gathered["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    wanted = difference(VIEW, gathered)
    assert wanted is not None
    assert len(wanted["aggregationRule"]["clusterRoleSelectors"]) == 2


def test_a_binding_to_another_role_is_made_anew() -> None:
    stolen = copy.deepcopy(BINDING)
    stolen["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    assert difference(BINDING, stolen) == BINDING


class Stored:
    """What is stored, for `reconcile`: an ObjectReader and a RoleWriter that refuses some names."""

    def __init__(self, *refused: str) -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.refused = refused
        self.writes = 0

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        return copy.deepcopy(self.objects.get((plural, namespace, name)))

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        raise AssertionError("one object after another")

    async def create(self, resource: ResourceRef, namespace: str, body: Json) -> bytes:
        return await self.update(resource, namespace, body["metadata"]["name"], body)

    async def update(self, resource: ResourceRef, namespace: str, name: str, body: Json) -> bytes:
        self.writes += 1
        if name in self.refused:
            raise StatusError(500, "InternalError", "failed calling webhook")
        self.objects[(resource.plural, namespace, name)] = body
        return b""

    async def delete(self, resource: ResourceRef, namespace: str, name: str, options: DeleteOptions) -> bytes:
        del self.objects[(resource.plural, namespace, name)]
        return b""


async def test_a_start_writes_everything_once_and_then_nothing() -> None:
    stored = Stored()
    await reconcile(stored, stored)
    assert stored.writes == len(stored.objects) == len(ROLES) + len(BINDINGS)
    await reconcile(stored, stored)
    assert stored.writes == len(stored.objects)


async def test_a_role_that_is_refused_is_left_to_the_next_start() -> None:
    stored = Stored("view")
    await reconcile(stored, stored)
    assert len(stored.objects) == len(ROLES) + len(BINDINGS) - 1
    stored.refused = ()
    await reconcile(stored, stored)
    assert ("clusterroles", "", "view") in stored.objects


async def test_a_stolen_binding_is_made_anew() -> None:
    stored = Stored()
    await reconcile(stored, stored)
    key = ("clusterrolebindings", "", "system:discovery")
    good = copy.deepcopy(stored.objects[key])
    stored.objects[key]["roleRef"]["name"] = "cluster-admin"
    await reconcile(stored, stored)
    assert stored.objects[key] == good
