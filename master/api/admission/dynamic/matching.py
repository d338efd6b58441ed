"""Whether an operation matches the rules and selectors of a webhook or a policy. Pure but for the namespace's labels.

Source: k8s.io/apiserver pkg/admission/plugin/webhook/predicates, pkg/admission/plugin/policy/matching
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from master.api.admission.dynamic.attributes import Attributes
from master.api.admission.dynamic.selectors import Labels, Selector, compile_selector, labels_of
from master.client.errors import not_found
from master.client.protocol import ResourceRef


@dataclass(frozen=True, slots=True)
class Rule:
    """RuleWithOperations. `names`: of a policy's NamedRuleWithOperations; empty: any."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    scope: str
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> "Rule":
        return cls(
            frozenset(rule.get("operations") or ()),
            frozenset(rule.get("apiGroups") or ()),
            frozenset(rule.get("apiVersions") or ()),
            tuple(_split(resource) for resource in rule.get("resources") or ()),
            rule.get("scope") or "*",
            frozenset(rule.get("resourceNames") or ()),
        )

    def matches(self, attributes: Attributes, resource: ResourceRef) -> bool:
        """`resource`: the operation's own, or an equivalent one."""
        return (
            _has(self.operations, attributes.operation)
            and _has(self.groups, resource.group)
            and _has(self.versions, resource.version)
            and any(name in ("*", resource.plural) and sub in ("*", attributes.subresource) for name, sub in self.resources)
            and self._in_scope(attributes)
            and (not self.names or attributes.name in self.names)
        )

    def _in_scope(self, attributes: Attributes) -> bool:
        if self.scope == "*":
            return True
        # Namespaces themselves are cluster-scoped, though their requests have a namespace.
        resource = attributes.resource
        clustered = not attributes.namespace or (resource.group, resource.plural) == ("", "namespaces")
        return clustered is (self.scope == "Cluster")


def _has(items: frozenset[str], wanted: str) -> bool:
    return wanted in items or "*" in items


def _split(resource: str) -> tuple[str, str]:
    name, _, subresource = resource.partition("/")
    return name, subresource


class Namespaces(Protocol):
    """Labels of namespaces, as the watch cache has them."""

    def labels(self, name: str) -> Labels | None:
        """None when there is no such namespace."""
        ...


class Equivalents(Protocol):
    """Other resources that hold the same objects: other versions, or other groups."""

    def of(self, resource: ResourceRef) -> Sequence[ResourceRef]: ...


@dataclass(frozen=True, slots=True)
class Criteria:
    """What an operation must be to concern a webhook or a policy; None: a selector that selects everything."""

    rules: tuple[Rule, ...]
    excluded: tuple[Rule, ...]
    equivalent: bool
    namespaces: Selector | None
    objects: Selector | None

    @classmethod
    def of(cls, spec: Mapping[str, Any], rules: str = "rules", excluded: str = "") -> "Criteria":
        """From a webhook, or from the MatchResources of a policy or binding."""
        return cls(
            tuple(Rule.of(rule) for rule in spec.get(rules) or ()),
            tuple(Rule.of(rule) for rule in (spec.get(excluded) or () if excluded else ())),
            (spec.get("matchPolicy") or "Equivalent") == "Equivalent",
            compile_selector(spec.get("namespaceSelector")),
            compile_selector(spec.get("objectSelector")),
        )

    def for_any_resource(self) -> "Criteria":
        """The same selectors and exclusions, for every resource."""
        anything = frozenset({"*"})
        return replace(self, rules=(Rule(anything, anything, anything, (("*", "*"),), "*"),))

    def match(self, attributes: Attributes, namespaces: Namespaces, equivalents: Equivalents) -> ResourceRef | None:
        """The resource in whose version it is to be shown, or None. Raises StatusError 404 for a namespace that is missing."""
        if self.objects is not None and not self._selects_object(attributes):
            return None
        found = self._resource(attributes, equivalents, self.rules)
        if found is None or (self.excluded and self._resource(attributes, equivalents, self.excluded) is not None):
            return None
        return found if self._selects_namespace(attributes, namespaces) else None

    def _resource(self, attributes: Attributes, equivalents: Equivalents, rules: Sequence[Rule]) -> ResourceRef | None:
        own = attributes.resource
        if any(rule.matches(attributes, own) for rule in rules):
            return own
        if not self.equivalent:
            return None
        others = [other for other in equivalents.of(own) if other != own]
        return next((other for rule in rules for other in others if rule.matches(attributes, other)), None)

    def _selects_object(self, attributes: Attributes) -> bool:
        assert self.objects is not None
        shown = [obj for obj in (attributes.object, attributes.old) if obj is not None]
        return any(self.objects(labels_of(obj)) for obj in shown)

    def _selects_namespace(self, attributes: Attributes, namespaces: Namespaces) -> bool:
        if self.namespaces is None:
            return True
        resource = attributes.resource
        is_namespace = (resource.group, resource.plural) == ("", "namespaces")
        if not attributes.namespace and not is_namespace:
            return True  # what is cluster-scoped is never left out by a namespace's labels
        if is_namespace and not attributes.subresource and attributes.object is not None:
            return self.namespaces(labels_of(attributes.object))
        labels = namespaces.labels(attributes.namespace)
        if labels is None:
            raise not_found("namespaces", "", attributes.namespace)
        return self.namespaces(labels)
