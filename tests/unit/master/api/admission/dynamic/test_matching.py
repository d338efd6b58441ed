"""Who wants to see an operation: rules, scopes, selectors, equivalent resources."""

from collections.abc import Sequence
from typing import Any

import pytest

from master.api.admission.dynamic.attributes import Attributes, GroupVersionKind
from master.api.admission.dynamic.matching import Criteria
from master.api.admission.dynamic.selectors import Labels, compile_selector
from master.api.auth.protocol import UserInfo
from master.api.registry.write_options import unheard
from master.client.errors import StatusError
from master.client.protocol import Json, ResourceRef

DEPLOYMENTS = ResourceRef("apps", "v1", "deployments")
OLD_DEPLOYMENTS = ResourceRef("extensions", "v1beta1", "deployments")


class World:
    """Namespaces with labels, and deployments in two groups."""

    def labels(self, name: str) -> Labels | None:
        return {"a": {"team": "x"}, "b": {}}.get(name)

    def of(self, resource: ResourceRef) -> Sequence[ResourceRef]:
        return [DEPLOYMENTS, OLD_DEPLOYMENTS] if resource.plural == "deployments" else [resource]


def attributes(
    resource: ResourceRef = DEPLOYMENTS,
    *,
    namespace: str = "a",
    subresource: str = "",
    obj: Json | None = None,
    name: str = "n",
) -> Attributes:
    return Attributes(
        operation="CREATE",
        resource=resource,
        subresource=subresource,
        kind=GroupVersionKind(resource.group, resource.version, "Thing"),
        namespace=namespace,
        name=name,
        object={"metadata": {}} if obj is None else obj,
        old=None,
        options=None,
        user=UserInfo("jane"),
        dry_run=False,
        warn=unheard,
    )


def matched(spec: Json, asked: Attributes | None = None) -> ResourceRef | None:
    return Criteria.of(spec).match(asked or attributes(), World(), World())


def rule(**changes: Any) -> Json:
    return {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], **changes}


@pytest.mark.parametrize(
    ("changes", "matches"),
    [
        ({}, True),
        ({"operations": ["*"]}, True),
        ({"operations": ["UPDATE", "DELETE"]}, False),
        ({"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}, True),
        ({"apiGroups": [""]}, False),
        ({"apiVersions": ["v2"]}, False),
        ({"resources": ["pods", "deployments"]}, True),
        ({"resources": ["deployments/scale"]}, False),
        ({"resources": ["deployments/*"]}, True),
        ({"resources": ["*/*"]}, True),
        ({"resources": ["*/scale"]}, False),
        ({"scope": "Namespaced"}, True),
        ({"scope": "Cluster"}, False),
    ],
)
def test_a_rule_matches_operation_resource_and_scope(changes: Json, matches: bool) -> None:
    assert (matched({"rules": [rule(**changes)], "matchPolicy": "Exact"}) is not None) is matches


def test_a_subresource_needs_a_rule_of_its_own() -> None:
    scale = attributes(subresource="scale")
    assert matched({"rules": [rule()]}, scale) is None
    assert matched({"rules": [rule(resources=["deployments/scale"])]}, scale) == DEPLOYMENTS
    assert matched({"rules": [rule(resources=["*/scale"])]}, scale) == DEPLOYMENTS


def test_namespaces_are_cluster_scoped_though_their_requests_have_one() -> None:
    asked = attributes(ResourceRef("", "v1", "namespaces"), namespace="a", name="a")
    namespaces = rule(apiGroups=[""], resources=["namespaces"])
    assert matched({"rules": [{**namespaces, "scope": "Cluster"}]}, asked) is not None
    assert matched({"rules": [{**namespaces, "scope": "Namespaced"}]}, asked) is None


def test_an_equivalent_resource_matches_unless_the_policy_is_exact() -> None:
    old = rule(apiGroups=["extensions"], apiVersions=["v1beta1"])
    assert matched({"rules": [old]}) == OLD_DEPLOYMENTS
    assert matched({"rules": [old], "matchPolicy": "Exact"}) is None
    assert matched({"rules": [old, rule()]}) == DEPLOYMENTS, "its own resource goes before"


def test_selectors_look_at_the_namespace_and_at_both_objects() -> None:
    team, app = {"matchLabels": {"team": "x"}}, {"matchLabels": {"app": "y"}}
    assert matched({"rules": [rule()], "namespaceSelector": team}) is not None
    assert matched({"rules": [rule()], "namespaceSelector": team}, attributes(namespace="b")) is None
    assert matched({"rules": [rule()], "namespaceSelector": team}, attributes(namespace="")) is not None
    assert matched({"rules": [rule()], "objectSelector": app}) is None
    labelled = attributes(obj={"metadata": {"labels": {"app": "y"}}})
    assert matched({"rules": [rule()], "objectSelector": app}, labelled) is not None
    with pytest.raises(StatusError) as refused:
        matched({"rules": [rule()], "namespaceSelector": team}, attributes(namespace="gone"))
    assert (refused.value.code, refused.value.message) == (404, 'namespaces "gone" not found')
    assert matched({"rules": [], "namespaceSelector": team}, attributes(namespace="gone")) is None


def test_a_new_namespace_is_selected_by_its_own_labels() -> None:
    asked = attributes(
        ResourceRef("", "v1", "namespaces"), namespace="", name="new", obj={"metadata": {"labels": {"team": "x"}}}
    )
    spec = {"rules": [rule(apiGroups=[""], resources=["namespaces"])], "namespaceSelector": {"matchLabels": {"team": "x"}}}
    assert matched(spec, asked) is not None
    assert matched(spec, asked.with_object({"metadata": {}})) is None


def test_excluded_rules_and_names_of_a_policy() -> None:
    spec = {"resourceRules": [rule()], "excludeResourceRules": [rule(resourceNames=["n"])]}
    policy = Criteria.of(spec, "resourceRules", "excludeResourceRules")
    assert policy.match(attributes(), World(), World()) is None
    assert policy.match(attributes(name="other"), World(), World()) == DEPLOYMENTS


@pytest.mark.parametrize(
    ("selector", "labels", "selects"),
    [
        (None, {}, True),
        ({}, {"a": "b"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "b", "c": "d"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "x"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}, {"a": "c"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {"a": "b"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        ({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}, {"a": "b"}, False),
    ],
)
def test_label_selectors(selector: Json | None, labels: dict[str, str], selects: bool) -> None:
    compiled = compile_selector(selector)
    assert (compiled is None or compiled(labels)) is selects
