"""Authorisation: a chain of authorisers, and the refusal when none allows.

Called by `master.api.http` for every request and by reviews and admission for questions. The messages are Kubernetes'
(apiserver's `responsewriters.Forbidden`).
"""

from collections.abc import Sequence

from master.api.auth.protocol import (
    BOOTSTRAPPERS,
    MASTERS,
    NO_OPINION,
    Attributes,
    Authorizer,
    Decision,
    RuleList,
    UserInfo,
)
from master.api.auth.rbac.authorizer import RbacAuthorizer
from master.api.auth.rbac.index import RbacIndex
from master.client.errors import StatusError

#: Health, and the CA for joining nodes: for everybody, whatever the roles say (kube-apiserver's always-allow paths).
PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/wherry/v1/ca"})
_ALLOWED = Decision(True)


class Masters:
    """Group system:masters: everything, whatever the roles say. It is how a cluster with broken roles is repaired."""

    def authorize(self, attributes: Attributes) -> Decision:
        return _ALLOWED if MASTERS in attributes.user.groups else NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        if MASTERS not in user.groups:
            return RuleList()
        return RuleList(
            [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        )


class AlwaysAllowed:
    """Health and the cluster's CA, for everybody."""

    def authorize(self, attributes: Attributes) -> Decision:
        # Whatever the method: another than GET is refused as such.
        public = not attributes.is_resource and attributes.path in PUBLIC_PATHS
        return _ALLOWED if public else NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        return RuleList([], [{"verbs": ["get"], "nonResourceURLs": sorted(PUBLIC_PATHS)}])


class Joining:
    """Whoever holds a bootstrap token may ask for a node certificate."""

    def authorize(self, attributes: Attributes) -> Decision:
        joins = attributes.path == "/wherry/v1/join" and attributes.verb == "post"
        return _ALLOWED if joins and BOOTSTRAPPERS in attributes.user.groups else NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        if BOOTSTRAPPERS not in user.groups:
            return RuleList()
        return RuleList([], [{"verbs": ["post"], "nonResourceURLs": ["/wherry/v1/join"]}])


class Authorization:
    """A chain of authorisers; those that need no roles first. Itself an `Authorizer`.

    `rbac`: the roles, which admission asks too (who gives a role must hold it).
    """

    def __init__(self, rbac: RbacIndex, more: Sequence[Authorizer] = ()) -> None:
        self.rbac = rbac
        self._authorizers: tuple[Authorizer, ...] = (Masters(), AlwaysAllowed(), Joining(), *more, RbacAuthorizer(rbac))

    def authorize(self, attributes: Attributes) -> Decision:
        """The first that allows; otherwise no opinion, with everybody's reasons."""
        reasons: list[str] = []
        for authorizer in self._authorizers:
            decision = authorizer.authorize(attributes)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, "\n".join(reasons)) if reasons else NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        """All that somebody allows."""
        found = [authorizer.rules_for(user, namespace) for authorizer in self._authorizers]
        return RuleList(
            [rule for rules in found for rule in rules.resource],
            [rule for rules in found for rule in rules.non_resource],
            any(rules.incomplete for rules in found),
            [error for rules in found for error in rules.errors],
        )

    def check(self, attributes: Attributes) -> None:
        """Raises StatusError 403 when nobody allows it."""
        decision = self.authorize(attributes)
        if not decision.allowed:
            raise forbidden(attributes, decision.reason)


def forbidden(attributes: Attributes, reason: str = "") -> StatusError:
    """Kubernetes' 403: `pods "x" is forbidden: User "j" cannot get resource "pods" in API group "" in the namespace "y"`."""
    user = attributes.user.name
    why = f": {reason}" if reason else ""
    if not attributes.is_resource:
        message = f'forbidden: User "{user}" cannot {attributes.verb} path "{attributes.path}"{why}'
        return StatusError(403, "Forbidden", message, details={})
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    where = f' in the namespace "{attributes.namespace}"' if attributes.namespace else " at the cluster scope"
    action = f'User "{user}" cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}"{where}{why}'
    qualified = f"{attributes.resource}.{attributes.group}" if attributes.group else attributes.resource
    named = f' "{attributes.name}"' if attributes.name else ""
    details = {"name": attributes.name, "group": attributes.group, "kind": attributes.resource}
    return StatusError(
        403,
        "Forbidden",
        f"{qualified}{named} is forbidden: {action}",
        details={key: value for key, value in details.items() if value},
    )
