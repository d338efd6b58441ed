"""Who may do what without any role, and how it is refused."""

import pytest

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import ANONYMOUS_USER, AUTHENTICATED, BOOTSTRAPPERS, MASTERS, Attributes, UserInfo
from master.api.auth.rbac.index import RbacIndex
from master.client.errors import StatusError

JANE = UserInfo("jane", groups=(AUTHENTICATED,))
ADMIN = UserInfo("root", groups=(MASTERS, AUTHENTICATED))
TOKEN = UserInfo("system:bootstrap:x", groups=(BOOTSTRAPPERS, AUTHENTICATED))


def allowed(attributes: Attributes) -> bool:
    return Authorization(RbacIndex()).authorize(attributes).allowed


def test_masters_may_do_everything() -> None:
    assert allowed(Attributes(ADMIN, "delete", version="v1", resource="nodes", name="n"))
    assert allowed(Attributes(ADMIN, "get", path="/metrics"))


def test_the_authenticated_may_nothing_without_roles() -> None:
    assert not allowed(Attributes(JANE, "get", path="/api"))
    assert not allowed(Attributes(JANE, "list", version="v1", resource="secrets"))
    assert not allowed(Attributes(JANE, "get", path="/metrics"))


def test_only_bootstrap_tokens_may_join() -> None:
    assert allowed(Attributes(TOKEN, "post", path="/wherry/v1/join"))
    assert not allowed(Attributes(JANE, "post", path="/wherry/v1/join"))
    assert not allowed(Attributes(TOKEN, "list", version="v1", resource="secrets"))


def test_nobody_needs_roles_for_health_and_ca() -> None:
    assert all(allowed(Attributes(ANONYMOUS_USER, "get", path=path)) for path in ("/healthz", "/readyz", "/wherry/v1/ca"))
    assert not any(allowed(Attributes(ANONYMOUS_USER, "get", path=path)) for path in ("/api", "/metrics", "/", "/readyz/x"))
    assert not allowed(Attributes(ANONYMOUS_USER, "get", version="v1", resource="pods"))


def test_a_refusal_is_worded_as_kubernetes_does() -> None:
    attributes = Attributes(
        JANE, "delete", group="apps", version="v1", resource="deployments", subresource="scale", namespace="ns", name="web"
    )
    with pytest.raises(StatusError) as caught:
        Authorization(RbacIndex()).check(attributes)
    assert caught.value.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "web" is forbidden: User "jane" cannot delete resource "deployments/scale" '
        'in API group "apps" in the namespace "ns"',
        "reason": "Forbidden",
        "details": {"name": "web", "group": "apps", "kind": "deployments"},
        "code": 403,
    }


def test_a_refused_path_is_named() -> None:
    with pytest.raises(StatusError, match='forbidden: User "jane" cannot get path "/metrics"'):
        Authorization(RbacIndex()).check(Attributes(JANE, "get", path="/metrics"))
