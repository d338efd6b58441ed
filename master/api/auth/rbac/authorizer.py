"""RbacAuthorizer: allows what some role gives. Called for every request; asks the index, decodes nothing."""

from typing import Any

from master.api.auth.protocol import NO_OPINION, Attributes, Decision, RuleList, UserInfo
from master.api.auth.rbac.index import RbacIndex


class RbacAuthorizer:
    """An `Authorizer`."""

    def __init__(self, index: RbacIndex) -> None:
        self._index = index

    def authorize(self, attributes: Attributes) -> Decision:
        """Allowed by the first rule found: of the cluster, then of the namespace."""
        user, namespace = attributes.user, attributes.namespace
        errors: list[str] | None = None
        for scope in ("", namespace) if namespace else ("",):
            for grants in self._index.held(user, scope):
                decision = grants.authorize(attributes)
                if decision.allowed:
                    return decision
                if grants.errors:
                    errors = [*(errors or ()), *(error for error in grants.errors if error not in (errors or ()))]
        if errors is None:
            return NO_OPINION
        listed = errors[0] if len(errors) == 1 else "[" + ", ".join(errors) + "]"
        return Decision(False, f"RBAC: {listed}")

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        rules, errors = self._index.rules_for(user, namespace)
        found = RuleList(errors=errors)
        for rule in rules:
            if rule.resources:
                resource: dict[str, Any] = {
                    "verbs": list(rule.verbs), "apiGroups": list(rule.api_groups), "resources": list(rule.resources)
                }  # fmt: skip
                if rule.resource_names:
                    resource["resourceNames"] = list(rule.resource_names)
                found.resource.append(resource)
            if rule.non_resource_urls:
                found.non_resource.append({"verbs": list(rule.verbs), "nonResourceURLs": list(rule.non_resource_urls)})
        return found
