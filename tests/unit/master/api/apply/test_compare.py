"""What changed between two values, by their types."""

from typing import Any

from master.api.apply.compare import compare
from master.api.apply.field_sets import FieldSet
from master.api.apply.owned import owned
from master.api.schema.merge_types import ListType, MapType, MergeType
from master.api.schema.merge_types_structural import structural_merge_type
from master.api.schema.schemas import Schemas

SCALAR = MergeType(scalar="string")
META = MergeType(map=MapType(fields={"labels": MergeType(map=MapType(element=SCALAR))}))
DEPLOYMENT = Schemas(["io.k8s.api.apps.v1.Deployment"]).merge_type("io.k8s.api.apps.v1.Deployment")


def changes(kind: MergeType, old: Any, new: Any) -> tuple[Any, Any]:
    found = compare(kind, old, new)
    return found.changed, found.removed


def struct(**fields: MergeType) -> MergeType:
    return MergeType(map=MapType(fields=fields))


def test_equal_values_have_no_changes() -> None:
    assert changes(META, {"labels": {"a": "1"}}, {"labels": {"a": "1"}}) == ({}, {})


def test_added_modified_and_removed_fields() -> None:
    old, new = {"labels": {"a": "1", "b": "1", "c": "1"}}, {"labels": {"a": "1", "b": "2", "d": "1"}}
    assert changes(META, old, new) == ({"f:labels": {"f:b": {}, "f:d": {}}}, {"f:labels": {"f:c": {}}})


def test_a_map_that_appears_belongs_to_who_adds_it() -> None:
    assert changes(META, {}, {"labels": {"a": "1"}}) == ({"f:labels": {".": {}, "f:a": {}}}, {})
    assert changes(META, {"labels": {"a": "1"}}, {}) == ({}, {"f:labels": {".": {}, "f:a": {}}})
    assert changes(META, {"labels": {}}, {"labels": {"a": "1"}}) == ({"f:labels": {"f:a": {}}}, {})


def test_atomic_values_change_as_a_whole() -> None:
    kind = struct(x=MergeType(list=ListType(SCALAR)), y=MergeType(map=MapType(element=SCALAR, atomic=True)))
    old, new = {"x": ["a"], "y": {"a": "1"}}, {"x": ["a", "b"], "y": {"a": "2"}}
    assert changes(kind, old, new) == ({"f:x": {}, "f:y": {}}, {})


def test_sets_change_by_their_values() -> None:
    kind = struct(x=MergeType(list=ListType(SCALAR, atomic=False)))
    assert changes(kind, {"x": ["a", "b"]}, {"x": ["b", "c"]}) == ({"f:x": {'v:"c"': {}}}, {"f:x": {'v:"a"': {}}})
    assert changes(kind, {"x": ["a", "b"]}, {"x": ["b", "a"]}) == ({}, {})


def test_keyed_lists_change_by_their_keys() -> None:
    item = struct(name=SCALAR, value=SCALAR)
    kind = struct(x=MergeType(list=ListType(item, atomic=False, keys=("name",))))
    old = {"x": [{"name": "a", "value": "1"}, {"name": "b"}]}
    new = {"x": [{"name": "c"}, {"name": "a", "value": "2"}]}
    assert changes(kind, old, new) == (
        {"f:x": {'k:{"name":"a"}': {"f:value": {}}, 'k:{"name":"c"}': {".": {}, "f:name": {}}}},
        {"f:x": {'k:{"name":"b"}': {".": {}, "f:name": {}}}},
    )


def test_duplicates_are_owned_as_one() -> None:
    kind = struct(x=MergeType(list=ListType(SCALAR, atomic=False)))
    assert changes(kind, {"x": ["a"]}, {"x": ["a", "a"]}) == ({"f:x": {'v:"a"': {}}}, {"f:x": {'v:"a"': {}}})
    assert changes(kind, {"x": ["a", "a"]}, {"x": ["a", "a"]}) == ({}, {})
    assert changes(kind, {"x": ["a", "a"]}, {"x": ["a"]}) == ({"f:x": {'v:"a"': {}}}, {"f:x": {'v:"a"': {}}})


def test_a_value_that_becomes_of_another_kind_is_modified() -> None:
    kind = structural_merge_type(None, metadata=META)
    assert changes(kind, {"x": 1}, {"x": {"a": 1}}) == ({"f:x": {".": {}, "f:a": {}}}, {})
    assert changes(kind, {"x": {"a": 1}}, {"x": "1"}) == ({"f:x": {}}, {"f:x": {"f:a": {}}})


def test_structs_of_go_are_never_added() -> None:
    new = {"metadata": {"labels": {"a": "b"}}, "spec": {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": {}}}}
    assert changes(DEPLOYMENT, {}, new) == (
        {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:selector": {}, "f:strategy": {"f:type": {}}}},
        {},
    )


def test_keys_that_are_left_out_have_their_default() -> None:
    config = {"spec": {"template": {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}}}}
    ports: FieldSet = {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}
    container = {'k:{"name":"c"}': {".": {}, "f:name": {}, "f:ports": ports}}
    assert owned(DEPLOYMENT, config) == {"f:spec": {"f:template": {"f:spec": {"f:containers": container}}}}


def test_an_applied_object_claims_leaves_and_items() -> None:
    config = {"metadata": {"labels": {"a": "b"}, "annotations": {}}, "spec": {"replicas": None, "template": {"spec": {}}}}
    assert owned(DEPLOYMENT, config) == {
        "f:metadata": {"f:annotations": {}, "f:labels": {"f:a": {}}},
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {}}},
    }


def test_keys_are_escaped_as_go_escapes_them() -> None:
    kind = MergeType(list=ListType(SCALAR, atomic=False))
    assert owned(kind, ["a<&>b"]) == {'v:"a\\u003c\\u0026\\u003eb"': {}}
