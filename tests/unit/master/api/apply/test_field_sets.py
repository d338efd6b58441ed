"""Sets of fields: algebra, order, and what clients write."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.api.apply import field_sets
from master.api.apply.field_sets import FieldSet, contains, decode, difference, field_paths, intersection, of, paths, union
from master.api.apply.path_elements import NoPathElement, canonical, describe, ordered

_ELEMENT = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
_PATHS = st.lists(st.lists(_ELEMENT, min_size=1, max_size=3).map(tuple), max_size=8)


def members(fields: FieldSet) -> set[tuple[str, ...]]:
    return set(paths(fields))


@given(_PATHS, _PATHS)
@settings(max_examples=150)
def test_algebra_is_that_of_sets_of_paths(one: list[tuple[str, ...]], other: list[tuple[str, ...]]) -> None:
    left, right = of(*one), of(*other)
    assert members(left) == set(one)
    assert members(union(left, right)) == set(one) | set(other)
    assert members(intersection(left, right)) == set(one) & set(other)
    assert members(difference(left, right)) == set(one) - set(other)
    below = {path for path in one if any(path[: len(gone)] == gone for gone in other)}
    assert members(field_sets.recursive_difference(left, right)) == set(one) - below
    assert all(contains(left, path) for path in one)


@given(_PATHS)
@settings(max_examples=50)
def test_what_was_stored_is_read_back_as_it_was(found: list[tuple[str, ...]]) -> None:
    assert decode(of(*found)) == of(*found)


def test_a_member_with_fields_below_has_a_dot() -> None:
    assert of(("f:a",), ("f:a", "f:b")) == {"f:a": {".": {}, "f:b": {}}}
    assert of(("f:a", "f:b")) == {"f:a": {"f:b": {}}}
    assert decode({"f:a": {".": {}}}) == {"f:a": {}}


def test_elements_are_in_the_order_of_kubernetes() -> None:
    mixed = ['v:"z"', 'k:{"containerPort":443}', "f:z", 'k:{"containerPort":80}', ".", "f:a", "v:2"]
    assert ordered(mixed) == [".", "f:a", "f:z", 'k:{"containerPort":80}', 'k:{"containerPort":443}', "v:2", 'v:"z"']


@pytest.mark.parametrize("wrong", ["", "x", "fname", 'k:["a"]', "k:{", "i:x", 'v:{"a"'])
def test_elements_that_are_none_are_refused(wrong: str) -> None:
    with pytest.raises(NoPathElement):
        canonical(wrong)


def test_unknown_kinds_of_elements_are_dropped() -> None:
    assert decode({"z:later": {}, "f:a": {}}) == {"f:a": {}}


def test_keys_of_clients_get_their_canonical_form() -> None:
    assert decode({'k:{ "protocol": "TCP", "containerPort": 80 }': {}}) == {'k:{"containerPort":80,"protocol":"TCP"}': {}}


@pytest.mark.parametrize("wrong", [[], "x", {"f:a": []}, {"f:a": {"nope": {}}}])
def test_what_is_no_set_is_refused(wrong: Any) -> None:
    with pytest.raises(NoPathElement):
        decode(wrong)


def test_depth_is_bounded() -> None:
    deep: FieldSet = {}
    for _ in range(1000):
        deep = {"f:a": deep}
    with pytest.raises(NoPathElement, match="too deep"):
        decode(deep)


def test_paths_are_described_in_kubernetes_words() -> None:
    path = (*field_paths("spec", "containers"), 'k:{"name":"x"}', "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}')
    assert describe(path) == '.spec.containers[name="x"].ports[containerPort=80,protocol="TCP"]'
    assert describe(('v:"a"', "i:3", "v:true")) == '[="a"][3][=true]'
