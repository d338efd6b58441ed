"""Impersonation: acting as another user, by the headers Impersonate-User, -Group, -Uid and -Extra-*.

Called by `master.api.http` after authentication; authorisation, admission and audit then see whom the request acts as. Each
part of the other identity needs the verb `impersonate` on it. Source:
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from master.api.auth.authentication import is_text
from master.api.auth.authorization import Authorization
from master.api.auth.protocol import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, Attributes, UserInfo
from master.api.auth.rbac.policy import SERVICE_ACCOUNT_PREFIX, service_account_groups, service_account_user
from master.api.kinds.rules.names import dns1123_label, dns1123_subdomain
from master.client.errors import bad_request

_USER = "Impersonate-User"
_GROUP = "Impersonate-Group"
_UID = "Impersonate-Uid"
_EXTRA = "impersonate-extra-"
_GROUP_NAME = "authentication.k8s.io"


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of an identity, as Kubernetes' ObjectReference. `field_path`: the key of an extra."""

    kind: str
    name: str
    namespace: str = ""
    api_version: str = ""
    field_path: str = ""

    def __str__(self) -> str:
        """As Go prints the struct: kind, namespace, name, uid, apiVersion, resourceVersion, fieldPath."""
        return f"{{{self.kind} {self.namespace} {self.name}  {self.api_version}  {self.field_path}}}"

    def attributes(self, user: UserInfo) -> Attributes:
        """The question whether a user may take on this part."""
        group, _, version = self.api_version.rpartition("/")
        resource = {
            "ServiceAccount": "serviceaccounts", "User": "users", "Group": "groups", "UserExtra": "userextras", "UID": "uids"
        }[self.kind]  # fmt: skip
        return Attributes(
            user,
            "impersonate",
            group=group,
            version=version,
            resource=resource,
            subresource=self.field_path,
            namespace=self.namespace,
            name=self.name,
        )


def acting_as(headers: CIMultiDictProxy[str], user: UserInfo, authorization: Authorization) -> UserInfo:
    """Whom a request acts as: the user itself without these headers. Raises StatusError 400 or 403."""
    if not any(header[:1] in "iI" and header[:12].lower() == "impersonate-" for header in headers):
        return user
    parts = list(_parts(headers))
    if not all(is_text(part.name) and is_text(part.field_path) for part in parts):
        raise bad_request("impersonation headers must be UTF-8")
    if not parts:
        return user
    if parts[0].kind not in ("User", "ServiceAccount"):
        raise bad_request(f"requested [{' '.join(str(part) for part in parts)}] without impersonating a user")
    for part in parts:
        authorization.check(part.attributes(user))
    name, groups, uid = parts[0].name, [part.name for part in parts if part.kind == "Group"], ""
    extra: dict[str, list[str]] = {}
    if parts[0].kind == "ServiceAccount":
        name = service_account_user(parts[0].namespace, parts[0].name)
        groups = groups or list(service_account_groups(parts[0].namespace))
    for part in parts:
        if part.kind == "UID":
            uid = part.name
        elif part.kind == "UserExtra":
            extra.setdefault(part.field_path, []).append(part.name)
    if name == ANONYMOUS:
        if UNAUTHENTICATED not in groups:
            groups.append(UNAUTHENTICATED)
    elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups.append(AUTHENTICATED)
    return UserInfo(name, uid=uid, groups=tuple(groups), extra=extra)


def _parts(headers: CIMultiDictProxy[str]) -> Iterator[_Part]:
    """What the headers ask for, the user first."""
    name = headers.get(_USER, "")
    if name:
        yield _subject(name)
    for group in headers.getall(_GROUP, ()):
        yield _Part("Group", group)
    for header, value in headers.items():
        if header.lower().startswith(_EXTRA):
            key = unquote(header[len(_EXTRA) :].lower())
            yield _Part("UserExtra", value, api_version=f"{_GROUP_NAME}/v1", field_path=key)
    uid = headers.get(_UID, "")
    if uid:
        yield _Part("UID", uid, api_version=f"{_GROUP_NAME}/v1")


def _subject(name: str) -> _Part:
    """A user, or the service account that a user name means."""
    if name.startswith(SERVICE_ACCOUNT_PREFIX):
        parts = name[len(SERVICE_ACCOUNT_PREFIX) :].split(":")
        if len(parts) == 2 and not dns1123_label(parts[0]) and not dns1123_subdomain(parts[1]):
            return _Part("ServiceAccount", parts[1], namespace=parts[0])
    return _Part("User", name)
