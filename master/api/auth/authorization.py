"""Authorisation: a chain of authorisers, and the refusal when none allows.

Called by `master.api.http` for every request and by reviews and admission for questions. The messages are Kubernetes'
(apiserver's `responsewriters.Forbidden`).
"""

from collections.abc import Sequence

from master.api.auth.protocol import (
    AUTHENTICATED,
    BOOTSTRAPPERS,
    MASTERS,
    NO_OPINION,
    Attributes,
    Authorizer,
    Decision,
    RuleList,
    UserInfo,
)
from master.client.errors import StatusError

#: What everybody may read, without credentials too (Kubernetes' role system:public-info-viewer, and the CA for joining nodes).
PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version", "/version/", "/wherry/v1/ca"})
_DISCOVERY_PREFIXES = ("/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz")
_SELF_REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
}
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


class PublicInfo:
    """Health and version, for everybody."""

    def authorize(self, attributes: Attributes) -> Decision:
        public = attributes.verb == "get" and not attributes.is_resource and attributes.path in PUBLIC_PATHS
        return _ALLOWED if public else NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        return RuleList([], [{"verbs": ["get"], "nonResourceURLs": sorted(PUBLIC_PATHS)}])


class Basics:
    """Kubernetes' roles system:discovery and system:basic-user, for whoever is authenticated."""

    def authorize(self, attributes: Attributes) -> Decision:
        if AUTHENTICATED not in attributes.user.groups:
            return NO_OPINION
        if attributes.is_resource:
            review = (attributes.group, attributes.resource) in _SELF_REVIEWS and attributes.verb == "create"
            return _ALLOWED if review else NO_OPINION
        path = attributes.path
        discovery = any(path == prefix or path.startswith(prefix + "/") for prefix in _DISCOVERY_PREFIXES)
        return _ALLOWED if attributes.verb == "get" and discovery else NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        if AUTHENTICATED not in user.groups:
            return RuleList()
        reviews = [
            {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
             "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
            {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
        ]  # fmt: skip
        paths = [path for prefix in _DISCOVERY_PREFIXES for path in (prefix, f"{prefix}/*")]
        return RuleList(reviews, [{"verbs": ["get"], "nonResourceURLs": paths}])


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
    """A chain of authorisers; the built-in ones first. Itself an `Authorizer`."""

    def __init__(self, more: Sequence[Authorizer] = ()) -> None:
        self._authorizers: tuple[Authorizer, ...] = (Masters(), PublicInfo(), Basics(), Joining(), *more)

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
