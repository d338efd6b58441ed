"""Whether somebody else may do something, for controllers in process. Wired up by `master.app`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import Attributes, UserInfo


class _User(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def uid(self) -> str: ...

    @property
    def groups(self) -> Sequence[str]: ...

    @property
    def extra(self) -> Mapping[str, Sequence[str]]: ...


class AccessReview:
    """Answers as SubjectAccessReview does. Implements `master.controllers.context.AccessReviewer`."""

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    def allowed(self, user: _User, verb: str, *, group: str, resource: str, subresource: str = "") -> bool:
        """Whether the user may do this to any object of the resource."""
        asked = UserInfo(user.name, uid=user.uid, groups=tuple(user.groups), extra=user.extra)
        attributes = Attributes(asked, verb, group=group, version="*", resource=resource, subresource=subresource)
        return self._authorization.authorize(attributes).allowed
