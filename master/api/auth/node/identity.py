"""Which node a user is: `system:node:<name>` of group system:nodes. Asked by the node authoriser and NodeRestriction."""

from master.api.auth.protocol import UserInfo

NODES = "system:nodes"
_PREFIX = "system:node:"


def node_of(user: UserInfo) -> str | None:
    """The name of the node that a user is ("" for one without a name), or None for who is no node."""
    if not user.name.startswith(_PREFIX) or NODES not in user.groups:
        return None
    return user.name[len(_PREFIX) :]
