"""RFC 6902 (its appendix A) and the limits of Kubernetes' API server."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.api.patch.json_patch import MAX_OPERATIONS, apply_json_patch, unknown_members
from master.client.errors import StatusError

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=4), below, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
        ({"foo": ["a", "c"]}, [{"op": "add", "path": "/foo/1", "value": "b"}], {"foo": ["a", "b", "c"]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
        ({"foo": ["a", "b", "c"]}, [{"op": "move", "from": "/foo/0", "path": "/foo/2"}], {"foo": ["b", "c", "a"]}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
        ({"a/b": 1, "m~n": 2}, [{"op": "test", "path": "/a~1b", "value": 1}, {"op": "remove", "path": "/m~0n"}], {"a/b": 1}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
        ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1.0, "extra": "ignored"}], {"a": 1}),
        # What Kubernetes' library takes beyond the RFC.
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1]}),
        ({"a": [1, 2]}, [{"op": "add", "path": "/a/-1", "value": 3}], {"a": [1, 2, 3]}),
        ({"a": [1, 2]}, [{"op": "add", "path": "/a/+01", "value": 3}], {"a": [1, 3, 2]}),
        ({"a": {}}, [{"op": "replace", "path": "/a/b", "value": 1}], {"a": {"b": 1}}),
        ({"a": 1}, [{"op": "test", "path": "/b", "value": None}], {"a": 1}),
        ({"a": 1}, [{"op": "copy", "from": "/c", "path": "/b"}], {"a": 1, "b": None}),
        ({"a": 1}, [{"op": "add", "path": "x/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": 1}, [{"op": "add", "path": "/b"}], {"a": 1, "b": None}),
    ],
)
def test_the_operations_do_what_the_rfc_says(document: Any, operations: Any, expected: Any) -> None:
    before = deepcopy(document)
    assert apply_json_patch(document, operations) == expected
    assert document == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/a", "value": True},
        {"op": "remove", "path": "/missing"},
        {"op": "replace", "path": "/list/2", "value": 1},
        {"op": "replace", "path": "", "value": 1},
        {"op": "add", "path": "", "value": {}},
        {"op": "remove", "path": "a"},
        {"op": "mend", "path": "/a"},
        {"path": "/a"},
        {"op": "remove"},
        {"op": "move", "path": "/a"},
        {"op": "test", "path": "/a/b", "value": None},
        {"op": "add", "path": "/missing/x", "value": 1},
        {"op": "add", "path": "/list/3", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/list/-4", "value": 1},
        {"op": "remove", "path": "/list/-"},
        {"op": "move", "from": "/object", "path": "/object/below"},
    ],
)
def test_an_operation_that_fails_is_unprocessable(operation: Any) -> None:
    with pytest.raises(StatusError) as caught:
        apply_json_patch({"a": 1, "list": [1, 2], "object": {"x": 1}}, [operation])
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")


@pytest.mark.parametrize(
    "operations",
    [
        {},
        [1],
        [{"op": "add", "path": 1}],
        [{"op": {}, "path": "/a"}],
        [{"op": "move", "path": "/a", "from": []}],
    ],
)
def test_what_is_no_json_patch_is_a_bad_request(operations: Any) -> None:
    with pytest.raises(StatusError) as caught:
        apply_json_patch({"a": 1}, operations)
    assert caught.value.code == 400


def test_more_than_ten_thousand_operations_are_too_large() -> None:
    operations = [{"op": "test", "path": "/a", "value": 1}] * (MAX_OPERATIONS + 1)
    assert apply_json_patch({"a": 1}, operations[:-1]) == {"a": 1}
    with pytest.raises(StatusError) as caught:
        apply_json_patch({"a": 1}, operations)
    assert (caught.value.code, caught.value.reason) == (413, "RequestEntityTooLarge")


@given(document=st.dictionaries(st.text(max_size=4), _JSON, max_size=4), key=st.text(max_size=4), value=_JSON)
def test_adding_and_removing_a_member_gives_the_document_back(document: Any, key: str, value: Any) -> None:
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    added = apply_json_patch(document, [{"op": "add", "path": pointer, "value": value}])
    assert added == {**document, key: value}
    removed = apply_json_patch(added, [{"op": "remove", "path": pointer}])
    assert removed == {name: item for name, item in document.items() if name != key}


def test_copies_are_bounded() -> None:
    """Each copy of the document into itself doubles it."""
    operations = [{"op": "copy", "from": "/a", "path": f"/a/c{number}"} for number in range(60)]
    with pytest.raises(StatusError) as caught:
        apply_json_patch({"a": {"b": "x" * 100}}, operations)
    assert caught.value.code == 422


def test_a_document_nested_too_deep_is_unprocessable() -> None:
    operations = [{"op": "add", "path": "/a" * depth, "value": {}} for depth in range(1, 2000)]
    with pytest.raises(StatusError) as caught:
        apply_json_patch({}, operations)
    assert caught.value.code == 422


def test_members_that_no_operation_has_are_named() -> None:
    assert unknown_members([{"op": "test", "path": "", "x": 1}, {"y": 1}]) == [
        'json patch unknown field "[0].x"',
        'json patch unknown field "[1].y"',
    ]
