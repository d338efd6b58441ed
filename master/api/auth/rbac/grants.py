"""What one subject was given in one scope, arranged so that a request is answered by a few dictionary look-ups.

Made by the index from the rules of all roles that are bound to the subject; asked for every request.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from master.api.auth.protocol import NO_OPINION, Attributes, Decision
from master.api.auth.rbac.policy import PolicyRule


@dataclass(frozen=True, slots=True)
class _Grant:
    """One rule's verbs and names (None: all), and what is said when it allows."""

    verbs: frozenset[str] | None
    names: frozenset[str] | None
    decision: Decision


class Grants:
    """`given`: each rule with the decision of its binding. `errors`: roles that are bound but do not exist."""

    __slots__ = ("_exact", "_prefixes", "_resources", "errors")

    def __init__(self, given: Iterable[tuple[PolicyRule, Decision]], errors: tuple[str, ...] = ()) -> None:
        self.errors = errors
        #: By API group and resource as the rules have them, stars among them.
        self._resources: dict[tuple[str, str], list[_Grant]] = {}
        self._exact: dict[str, list[_Grant]] = {}
        self._prefixes: list[tuple[str, _Grant]] = []
        for rule, decision in given:
            verbs = None if "*" in rule.verbs else frozenset(rule.verbs)
            grant = _Grant(verbs, frozenset(rule.resource_names) or None, decision)
            for group in rule.api_groups:
                for resource in rule.resources:
                    self._resources.setdefault((group, resource), []).append(grant)
            path_grant = _Grant(verbs, None, decision)
            for url in rule.non_resource_urls:
                if url.endswith("*"):
                    self._prefixes.append((url.rstrip("*"), path_grant))
                else:
                    self._exact.setdefault(url, []).append(path_grant)

    def authorize(self, attributes: Attributes) -> Decision:
        verb = attributes.verb
        if not attributes.is_resource:
            path = attributes.path
            for grant in self._exact.get(path, ()):
                if grant.verbs is None or verb in grant.verbs:
                    return grant.decision
            for prefix, grant in self._prefixes:
                if path.startswith(prefix) and (grant.verbs is None or verb in grant.verbs):
                    return grant.decision
            return NO_OPINION
        group, resource, subresource = attributes.group, attributes.resource, attributes.subresource
        resources = self._resources
        keys: tuple[tuple[str, str], ...]
        if subresource:
            whole, every = f"{resource}/{subresource}", f"*/{subresource}"
            keys = ((group, whole), (group, "*"), ("*", "*"), ("*", whole), (group, every), ("*", every))
        else:
            keys = ((group, resource), (group, "*"), ("*", "*"), ("*", resource))
        for key in keys:
            found = resources.get(key)
            if found is None:
                continue
            for grant in found:
                if grant.verbs is not None and verb not in grant.verbs:
                    continue
                if grant.names is None or attributes.name in grant.names:
                    return grant.decision
        return NO_OPINION
