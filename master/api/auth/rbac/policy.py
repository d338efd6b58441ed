"""Roles and bindings as RBAC reads them, and what one rule allows.

`rule_allows` is the meaning of a rule; the index answers the same faster. Source: pkg/apis/rbac/v1/evaluation_helpers.go.
"""

import msgspec

from master.api.auth.protocol import Attributes

GROUP = "rbac.authorization.k8s.io"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"


class PolicyRule(msgspec.Struct, frozen=True, rename="camel", gc=False, omit_defaults=True):
    """rbac.authorization.k8s.io/v1 PolicyRule."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = msgspec.field(default=(), name="apiGroups")
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = msgspec.field(default=(), name="resourceNames")
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")


class RoleRef(msgspec.Struct, frozen=True, gc=False):
    """Which role a binding gives."""

    kind: str = ""
    name: str = ""


class Subject(msgspec.Struct, frozen=True, gc=False):
    """To whom a binding gives it."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class StoredRole(msgspec.Struct, frozen=True, gc=False):
    """A Role or ClusterRole; the other fields are of no use here."""

    rules: tuple[PolicyRule, ...] | None = None


class StoredBinding(msgspec.Struct, frozen=True, gc=False):
    """A RoleBinding or ClusterRoleBinding."""

    role_ref: RoleRef = msgspec.field(default=RoleRef(), name="roleRef")
    subjects: tuple[Subject, ...] | None = None


def service_account_user(namespace: str, name: str) -> str:
    """The user name of a service account."""
    return f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, str]:
    """The groups of every service account of a namespace."""
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")


def describe(subject: Subject, namespace: str) -> str:
    """A subject as the reason of a decision names it."""
    if subject.kind == "ServiceAccount":
        return f'{subject.kind} "{subject.name}/{subject.namespace or namespace}"'
    return f'{subject.kind} "{subject.name}"'


def rule_allows(rule: PolicyRule, attributes: Attributes) -> bool:
    """Whether one rule allows one request."""
    if "*" not in rule.verbs and attributes.verb not in rule.verbs:
        return False
    if not attributes.is_resource:
        return any(url_matches(url, attributes.path) for url in rule.non_resource_urls)
    if "*" not in rule.api_groups and attributes.group not in rule.api_groups:
        return False
    if rule.resource_names and attributes.name not in rule.resource_names:
        return False
    return resource_matches(rule.resources, attributes.resource, attributes.subresource)


def resource_matches(resources: tuple[str, ...], resource: str, subresource: str) -> bool:
    """`*` means every resource and subresource, `*/scale` that subresource of all."""
    if "*" in resources:
        return True
    if not subresource:
        return resource in resources
    return f"{resource}/{subresource}" in resources or f"*/{subresource}" in resources


def url_matches(pattern: str, path: str) -> bool:
    """A path of a rule may end in a star."""
    if pattern == "*" or pattern == path:
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))


def rules_of(role: object) -> tuple[PolicyRule, ...]:
    """The rules of a role in plain JSON. Raises msgspec.ValidationError."""
    return msgspec.convert(role, StoredRole).rules or ()
