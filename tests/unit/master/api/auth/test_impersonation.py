"""Who may act as whom, and what is left of the one who asks."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from master.api.auth.impersonation import acting_as
from master.api.auth.protocol import UserInfo
from master.client.errors import StatusError
from tests.unit.master.api.auth.rbac_world import Roles, rule, user

JANE = user("jane", "team")


@pytest.fixture
def roles() -> Roles:
    """Jane may act as bob, as group dev, with uid 7, with scopes "s", and as a service account of ns."""
    made = Roles()
    given = [
        rule("impersonate", resources="users", names="bob system:anonymous"),
        rule("impersonate", resources="groups", names="dev system:unauthenticated"),
        rule("impersonate", ("authentication.k8s.io",), "uids", names="7"),
        rule("impersonate", ("authentication.k8s.io",), "userextras/scopes", names="s t"),
    ]
    made.role("as", *given)
    made.bind("as", "User/jane")
    made.role("accounts", rule("impersonate", resources="serviceaccounts"))
    made.bind("accounts", "User/jane", namespace="ns")
    return made


def acts(roles: Roles, *headers: tuple[str, str]) -> UserInfo:
    return acting_as(CIMultiDictProxy(CIMultiDict(headers)), JANE, roles.authorization)


def test_without_headers_one_is_oneself(roles: Roles) -> None:
    assert acts(roles, ("If-Match", "x"), ("Accept", "*/*"), ("Impersonate-User", "")) is JANE


def test_a_user_is_taken_on_with_nothing_of_ones_own(roles: Roles) -> None:
    assert acts(roles, ("impersonate-user", "bob")) == UserInfo("bob", groups=("system:authenticated",))


def test_groups_uid_and_extra_come_along(roles: Roles) -> None:
    asked = (
        ("Impersonate-User", "bob"), ("Impersonate-Group", "dev"), ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Scopes", "s"), ("Impersonate-Extra-scopes", "t"),
    )  # fmt: skip
    expected = UserInfo("bob", uid="7", groups=("dev", "system:authenticated"), extra={"scopes": ["s", "t"]})
    assert acts(roles, *asked) == expected


def test_a_service_account_brings_its_groups(roles: Roles) -> None:
    name = "system:serviceaccount:ns:robot"
    groups = ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert acts(roles, ("Impersonate-User", name)) == UserInfo(name, groups=groups)
    assert acts(roles, ("Impersonate-User", name), ("Impersonate-Group", "dev")).groups == ("dev", "system:authenticated")


def test_nobody_stays_unauthenticated(roles: Roles) -> None:
    assert acts(roles, ("Impersonate-User", "system:anonymous")).groups == ("system:unauthenticated",)
    asked = (("Impersonate-User", "bob"), ("Impersonate-Group", "system:unauthenticated"))
    assert acts(roles, *asked).groups == ("system:unauthenticated",)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ([("User", "root")], 'users "root" is forbidden: User "jane" cannot impersonate resource "users" in API group ""'),
        (
            [("User", "bob"), ("Group", "system:masters")],
            'groups "system:masters" is forbidden: User "jane" cannot impersonate',
        ),
        ([("User", "bob"), ("Uid", "8")], 'uids.authentication.k8s.io "8" is forbidden'),
        ([("User", "bob"), ("Extra-Scopes", "u")], 'cannot impersonate resource "userextras/scopes"'),
        ([("User", "bob"), ("Extra-Other", "s")], 'cannot impersonate resource "userextras/other"'),
        ([("User", "system:serviceaccount:other:robot")], 'serviceaccounts "robot" is forbidden'),
        ([("User", "system:serviceaccount:ns:a:b")], 'users "system:serviceaccount:ns:a:b" is forbidden'),
    ],
)
def test_each_part_needs_its_own_permission(roles: Roles, asked: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(StatusError) as caught:
        acts(roles, *((f"Impersonate-{name}", value) for name, value in asked))
    assert caught.value.code == 403
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (("Impersonate-Group", "dev"), "[{Group  dev    }]"),
        (("Impersonate-Uid", "7"), "[{UID  7  authentication.k8s.io/v1  }]"),
        (("Impersonate-Extra-Scopes", "s"), "[{UserExtra  s  authentication.k8s.io/v1  scopes}]"),
    ],
)
def test_a_part_without_a_user_is_a_bad_request(roles: Roles, header: tuple[str, str], shown: str) -> None:
    with pytest.raises(StatusError) as caught:
        acts(roles, header)
    assert (caught.value.code, caught.value.message) == (400, f"requested {shown} without impersonating a user")
