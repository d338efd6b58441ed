"""Authorisation until RBAC: system:masters may do everything, whoever is authenticated may discover and ask about itself.

Called by `master.api.http` for every request. The messages are Kubernetes' (apiserver's `responsewriters.Forbidden`).
"""

from collections.abc import Sequence

from master.api.auth.protocol import AUTHENTICATED, BOOTSTRAPPERS, MASTERS, Attributes, Authorizer
from master.client.errors import StatusError

#: What everybody may read, without credentials too (Kubernetes' role system:public-info-viewer, and the CA for joining nodes).
PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version", "/version/", "/wherry/v1/ca"})
_DISCOVERY_PREFIXES = ("/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz")
_SELF_REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
}


class Masters:
    """Group system:masters: everything."""

    def allows(self, attributes: Attributes) -> str | None:
        return "" if MASTERS in attributes.user.groups else None


class PublicInfo:
    """Health and version, for everybody."""

    def allows(self, attributes: Attributes) -> str | None:
        public = attributes.verb == "get" and not attributes.is_resource and attributes.path in PUBLIC_PATHS
        return "" if public else None


class Basics:
    """Kubernetes' roles system:discovery and system:basic-user, for whoever is authenticated."""

    def allows(self, attributes: Attributes) -> str | None:
        if AUTHENTICATED not in attributes.user.groups:
            return None
        if attributes.is_resource:
            review = (attributes.group, attributes.resource) in _SELF_REVIEWS and attributes.verb == "create"
            return "" if review else None
        path = attributes.path
        discovery = any(path == prefix or path.startswith(prefix + "/") for prefix in _DISCOVERY_PREFIXES)
        return "" if attributes.verb == "get" and discovery else None


class Joining:
    """Whoever holds a bootstrap token may ask for a node certificate."""

    def allows(self, attributes: Attributes) -> str | None:
        joins = attributes.path == "/wherry/v1/join" and attributes.verb == "post"
        return "" if joins and BOOTSTRAPPERS in attributes.user.groups else None


class Authorization:
    """A chain of authorisers; the built-in ones first."""

    def __init__(self, more: Sequence[Authorizer] = ()) -> None:
        self._authorizers: tuple[Authorizer, ...] = (Masters(), PublicInfo(), Basics(), Joining(), *more)

    def allows(self, attributes: Attributes) -> str | None:
        """Why somebody allows it, or None."""
        for authorizer in self._authorizers:
            reason = authorizer.allows(attributes)
            if reason is not None:
                return reason
        return None

    def check(self, attributes: Attributes) -> None:
        """Raises StatusError 403 when nobody allows it."""
        if self.allows(attributes) is None:
            raise forbidden(attributes)


def forbidden(attributes: Attributes) -> StatusError:
    """Kubernetes' 403: `pods "x" is forbidden: User "j" cannot get resource "pods" in API group "" in the namespace "y"`."""
    user = attributes.user.name
    if not attributes.is_resource:
        why = f'User "{user}" cannot {attributes.verb} path "{attributes.path}"'
        return StatusError(403, "Forbidden", f"forbidden: {why}", details={})
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    why = f'User "{user}" cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}"'
    why += f' in the namespace "{attributes.namespace}"' if attributes.namespace else " at the cluster scope"
    qualified = f"{attributes.resource}.{attributes.group}" if attributes.group else attributes.resource
    named = f' "{attributes.name}"' if attributes.name else ""
    details = {"name": attributes.name, "group": attributes.group, "kind": attributes.resource}
    return StatusError(
        403,
        "Forbidden",
        f"{qualified}{named} is forbidden: {why}",
        details={key: value for key, value in details.items() if value},
    )
