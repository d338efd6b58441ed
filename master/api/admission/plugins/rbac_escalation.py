"""Nobody gives rights that he does not hold: checks each write of a role or binding against the writer's own rules.

Allowed are: system:masters; who may `escalate` the role, or `bind` it; a change of finalizers and owners alone. A role that
gathers other roles' rules may gather anything, so only who may everything writes one. Kubernetes does this in the registries
(pkg/registry/rbac/*/policybased); here it is a validating plugin, so that it sees what mutating ones made.
Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

import msgspec

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ValidatingPlugin
from master.api.auth.authorization import Authorization
from master.api.auth.protocol import MASTERS, Attributes
from master.api.auth.rbac.escalation import EVERYTHING, TooManyRights, missing_rights, refusal
from master.api.auth.rbac.index import RoleNotFound
from master.api.auth.rbac.policy import GROUP, PolicyRule, RoleRef, rules_of
from master.client.errors import StatusError, forbidden
from master.client.protocol import Json

ORDER = 910
_ROLES = frozenset({"roles", "clusterroles"})
_BINDINGS = frozenset({"rolebindings", "clusterrolebindings"})
_ROLE_PLURALS = {"Role": "roles", "ClusterRole": "clusterroles"}
#: What the garbage collector changes; resourceVersion and managedFields change with everything.
_OF_NO_RIGHT = frozenset({"finalizers", "ownerReferences", "resourceVersion", "managedFields"})


class RbacEscalation:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if resource.group != GROUP or request.operation == "DELETE" or MASTERS in request.user.groups:
            return
        if request.old is not None and _rights(obj) == _rights(request.old):
            return
        if resource.plural in _ROLES:
            self._check_role(request, obj)
        elif resource.plural in _BINDINGS:
            self._check_binding(request, obj)

    def _check_role(self, request: AdmissionRequest, obj: Json) -> None:
        old = request.old or {}
        unchanged = request.old is not None and (obj.get("rules") or []) == (old.get("rules") or [])
        if unchanged and obj.get("aggregationRule") == old.get("aggregationRule"):
            return
        if self._may(request, "escalate", request.resource.plural, obj["metadata"]["name"]):
            return
        self._check_held(request, rules_of(obj))
        if obj.get("aggregationRule") or old.get("aggregationRule"):
            held, _ = self._authorization.rbac.rules_for(request.user, request.namespace)
            if missing_rights(held, EVERYTHING):
                raise _refused(request, "must have cluster-admin privileges to use the aggregationRule")

    def _check_binding(self, request: AdmissionRequest, obj: Json) -> None:
        ref = msgspec.convert(obj.get("roleRef") or {}, RoleRef)
        plural = _ROLE_PLURALS.get(ref.kind)
        if plural is not None and self._may(request, "bind", plural, ref.name):
            return
        try:
            rules = self._authorization.rbac.role_rules(ref, request.namespace)
        except RoleNotFound as error:
            details = {"name": ref.name, "group": GROUP, "kind": ref.kind.lower()}
            raise StatusError(404, "NotFound", str(error), details=details) from error
        self._check_held(request, rules)

    def _check_held(self, request: AdmissionRequest, rules: tuple[PolicyRule, ...]) -> None:
        held, errors = self._authorization.rbac.rules_for(request.user, request.namespace)
        try:
            missing = missing_rights(held, rules)
        except TooManyRights as error:
            raise _refused(request, f'user "{request.user.name}" does not hold these rules as a whole, and {error}') from error
        if missing:
            raise _refused(request, refusal(request.user, missing, errors))

    def _may(self, request: AdmissionRequest, verb: str, plural: str, name: str) -> bool:
        question = Attributes(
            request.user, verb, group=GROUP, version="*", resource=plural, namespace=request.namespace, name=name
        )
        return self._authorization.authorize(question).allowed


def _rights(obj: Json) -> Json:
    """An object without what gives nobody anything."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OF_NO_RIGHT}
    return {**obj, "metadata": metadata}


def _refused(request: AdmissionRequest, why: str) -> StatusError:
    return forbidden(request.resource.plural, GROUP, request.name, why)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return RbacEscalation(context.authorization)
