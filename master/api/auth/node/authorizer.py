"""NodeAuthorizer: what a node may, by what it is and what its pods use; more rules for its writes are NodeRestriction's.

    secrets, configmaps      get, list, watch of one that a pod of the node refers to
    claims, volumes, attachments   get of one that such a pod uses; a claim's status may be written
    service accounts         a token of one that such a pod runs as
    pods, nodes              its own; leases and CSINodes: the one with its name
    all else                 the rules of Kubernetes' role system:node

Source: plugin/pkg/auth/authorizer/node/node_authorizer.go (with AuthorizeNodeWithSelectors, on since 1.32).
"""

from collections.abc import Callable

from master.api.auth.node.identity import node_of
from master.api.auth.node.related import CachedObjects, RelatedObjects
from master.api.auth.protocol import NO_OPINION, Attributes, Decision, RuleList, UserInfo, exact_matches
from master.api.auth.rbac.defaults.system_roles import NODE_RULES
from master.api.auth.rbac.grants import Grants
from master.api.auth.rbac.policy import rules_of

_ALLOWED = Decision(True)
_READ = frozenset({"get", "list", "watch"})
_OWN = frozenset({"get", "create", "update", "patch", "delete"})
LEASES_NAMESPACE = "kube-node-lease"


class NodeAuthorizer:
    """An `Authorizer`; has no opinion about who is no node."""

    def __init__(self, cache: CachedObjects) -> None:
        self._related = RelatedObjects(cache)
        self._rules = Grants((rule, _ALLOWED) for rule in rules_of({"rules": NODE_RULES}))
        self._special: dict[tuple[str, str], Callable[[str, Attributes], Decision]] = {
            ("", "secrets"): self._secret,
            ("", "configmaps"): self._config_map,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._volume,
            ("", "serviceaccounts"): self._token,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("storage.k8s.io", "volumeattachments"): self._attachment,
        }

    def authorize(self, attributes: Attributes) -> Decision:
        node = node_of(attributes.user)
        if node is None:
            return NO_OPINION
        if not node:
            return Decision(False, f'unknown node for user "{attributes.user.name}"')
        if attributes.is_resource:
            special = self._special.get((attributes.group, attributes.resource))
            if special is not None:
                return special(node, attributes)
        return self._rules.authorize(attributes)

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        if node_of(user) is None:
            return RuleList()
        return RuleList(incomplete=True, errors=["node authorizer does not support user rule resolution"])

    def _secret(self, node: str, attributes: Attributes) -> Decision:
        return _readable(attributes) or _related(node, attributes, self._related.secret)

    def _config_map(self, node: str, attributes: Attributes) -> Decision:
        return _readable(attributes) or _related(node, attributes, self._related.config_map)

    def _claim(self, node: str, attributes: Attributes) -> Decision:
        if attributes.subresource == "status":
            if attributes.verb not in ("update", "patch"):
                return Decision(False, "can only get/update/patch this type")
            return _related(node, attributes, self._related.claim)
        return _gettable(attributes) or _related(node, attributes, self._related.claim)

    def _volume(self, node: str, attributes: Attributes) -> Decision:
        return _gettable(attributes) or _related(node, attributes, lambda own, _, name: self._related.volume(own, name))

    def _attachment(self, node: str, attributes: Attributes) -> Decision:
        return _gettable(attributes) or _related(node, attributes, lambda own, _, name: self._related.attachment(own, name))

    def _token(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb != "create" or not attributes.name:
            return Decision(False, "can only create tokens for individual service accounts")
        if attributes.subresource != "token":
            return Decision(False, "can only create token subresource of serviceaccount")
        return _related(node, attributes, self._related.service_account)

    def _node(self, node: str, attributes: Attributes) -> Decision:
        verb, name = attributes.verb, attributes.name
        match attributes.subresource:
            case "" if verb in ("create", "update", "patch"):
                return _ALLOWED
            case "" if verb in _READ and name == node:
                return _ALLOWED
            case "" if verb in _READ and not name:
                return Decision(False, f"node '{node}' cannot read all nodes, only its own Node object")
            case "" if verb in _READ:
                return Decision(False, f"node '{node}' cannot read '{name}', only its own Node object")
            case "status" if verb in ("update", "patch"):
                return _ALLOWED
        return NO_OPINION

    def _pod(self, node: str, attributes: Attributes) -> Decision:
        verb = attributes.verb
        match attributes.subresource:
            case "" if verb == "get":
                return _related(node, attributes, self._related.pod)
            case "" if verb in ("list", "watch"):
                if exact_matches(attributes.field_selector).get("spec.nodeName") == node:
                    return _ALLOWED
                if attributes.name:
                    return _related(node, attributes, self._related.pod)
                return Decision(False, "can only list/watch pods with spec.nodeName field selector")
            case "" if verb in ("create", "delete"):
                return _ALLOWED
            case "status" if verb in ("update", "patch"):
                return _ALLOWED
            case "eviction" if verb == "create":
                return _ALLOWED
        return NO_OPINION

    def _lease(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb not in _OWN:
            return Decision(False, "can only get, create, update, patch, or delete a node lease")
        if attributes.namespace != LEASES_NAMESPACE:
            return Decision(False, f'can only access leases in the "{LEASES_NAMESPACE}" system namespace')
        if attributes.verb != "create" and attributes.name != node:
            return Decision(False, "can only access node lease with the same name as the requesting node")
        return _ALLOWED

    def _csi_node(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb not in _OWN:
            return Decision(False, "can only get, create, update, patch, or delete a CSINode")
        if attributes.subresource:
            return Decision(False, "cannot authorize CSINode subresources")
        if attributes.verb != "create" and attributes.name != node:
            return Decision(False, "can only access CSINode with the same name as the requesting node")
        return _ALLOWED


def _readable(attributes: Attributes) -> Decision | None:
    """Why this cannot be read at all, or None."""
    if attributes.verb not in _READ:
        return Decision(False, "can only read resources of this type")
    if attributes.subresource:
        return Decision(False, "cannot read subresource")
    return None if attributes.namespace else Decision(False, "can only read namespaced object of this type")


def _gettable(attributes: Attributes) -> Decision | None:
    """Why this cannot be got at all, or None."""
    if attributes.verb != "get":
        return Decision(False, "can only get individual resources of this type")
    return Decision(False, "cannot get subresource") if attributes.subresource else None


def _related(node: str, attributes: Attributes, belongs: Callable[[str, str, str], bool]) -> Decision:
    if not attributes.name:
        return Decision(False, "No Object name found")
    if belongs(node, attributes.namespace, attributes.name):
        return _ALLOWED
    return Decision(False, f"no relationship found between node '{node}' and this object")
