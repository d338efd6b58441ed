"""Roles and bindings for tests, put into an index as the watch cache would."""

from collections.abc import Iterable
from typing import Any

import msgspec

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import AUTHENTICATED, Attributes, UserInfo
from master.api.auth.rbac.index import RbacIndex
from master.api.auth.rbac.policy import PolicyRule, RoleRef, StoredBinding, Subject


def rule(verbs: str = "", groups: Any = ("",), resources: str = "", *, names: str = "", urls: str = "") -> PolicyRule:
    """A rule, its lists written as words."""
    return PolicyRule(
        verbs=tuple(verbs.split()),
        api_groups=() if urls else tuple(groups),
        resources=tuple(resources.split()),
        resource_names=tuple(names.split()),
        non_resource_urls=tuple(urls.split()),
    )


def user(name: str, *groups: str) -> UserInfo:
    return UserInfo(name, groups=(*groups, AUTHENTICATED))


def wants(who: UserInfo, verb: str, resource: str, namespace: str = "ns", *, group: str = "", name: str = "") -> Attributes:
    """A request for a resource, or for a path when it begins with a slash."""
    if resource.startswith("/"):
        return Attributes(who, verb, path=resource)
    resource, _, subresource = resource.partition("/")
    return Attributes(
        who, verb, group=group, version="v1", resource=resource, subresource=subresource, namespace=namespace, name=name
    )


def subject(text: str) -> Subject:
    """`User/jane`, `Group/team`, `ServiceAccount/ns/name`."""
    kind, *rest = text.split("/")
    if kind == "ServiceAccount":
        return Subject(kind, rest[1], rest[0])
    return Subject(kind, rest[0])


class Roles:
    """An index that a test fills."""

    def __init__(self) -> None:
        self.index = RbacIndex()
        self.authorization = Authorization(self.index)

    def role(self, name: str, *rules: PolicyRule, namespace: str = "") -> None:
        self.index.put_role(namespace, name, rules)

    def bind(self, role: str, *subjects: str, namespace: str = "", name: str = "", kind: str = "ClusterRole") -> None:
        stored = StoredBinding(RoleRef(kind, role), tuple(subject(one) for one in subjects))
        self.index.put_binding(namespace, name or f"{role}-binding", stored)

    def allows(self, attributes: Attributes) -> bool:
        return self.authorization.authorize(attributes).allowed


def plain(rules: Iterable[PolicyRule]) -> list[dict[str, Any]]:
    """Rules as JSON."""
    built: list[dict[str, Any]] = msgspec.to_builtins(list(rules))
    return built
