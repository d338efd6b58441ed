"""Strategic merge, by the cases of Kubernetes' documentation and of its own tests."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.patch.strategic_merge import apply_strategic_merge
from master.api.schema.schemas import Schemas
from master.client.errors import StatusError

POD = "io.k8s.api.core.v1.Pod"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
SCHEMAS = Schemas([POD, DEPLOYMENT, "io.k8s.api.core.v1.Service"])

Json = dict[str, Any]


def patched(document: Json, patch: Json, definition: str = POD) -> Json:
    before, patch_before = deepcopy(document), deepcopy(patch)
    result = apply_strategic_merge(document, patch, definition=definition, schemas=SCHEMAS)
    assert document == before
    assert patch == patch_before
    return result


def containers(*names: str) -> Json:
    return {"spec": {"containers": [{"name": name, "image": f"{name}:1"} for name in names]}}


def names(pod: Json) -> list[str]:
    return [container["name"] for container in pod["spec"]["containers"]]


def test_a_list_with_a_merge_key_is_merged_by_it() -> None:
    result = patched(containers("a", "b"), {"spec": {"containers": [{"name": "b", "image": "b:2"}]}})
    assert result["spec"]["containers"] == [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]


def test_a_new_element_comes_before_those_of_the_server_that_the_patch_does_not_order() -> None:
    assert names(patched(containers("a"), {"spec": {"containers": [{"name": "new", "image": "x"}]}})) == ["new", "a"]


def test_an_atomic_list_is_replaced() -> None:
    pod = {"spec": {"containers": [{"name": "a", "args": ["1", "2"]}]}}
    result = patched(pod, {"spec": {"containers": [{"name": "a", "args": ["3"]}]}})
    assert result["spec"]["containers"][0]["args"] == ["3"]


def test_patch_delete_removes_an_element() -> None:
    assert names(patched(containers("a", "b"), {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})) == ["b"]


def test_patch_replace_in_a_list_replaces_the_whole_list() -> None:
    patch = {"spec": {"containers": [{"name": "c", "image": "c"}, {"$patch": "replace"}]}}
    assert patched(containers("a", "b"), patch)["spec"]["containers"] == [{"name": "c", "image": "c"}]


def test_patch_replace_in_a_map_replaces_it() -> None:
    document = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    result = patched(document, {"metadata": {"labels": {"$patch": "replace", "c": "3"}}})
    assert result["metadata"]["labels"] == {"c": "3"}


def test_null_deletes_a_field() -> None:
    result = patched({"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"a": None, "z": None}}})
    assert result["metadata"]["labels"] == {"b": "2"}


def test_finalizers_merge_as_a_set() -> None:
    result = patched({"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "c"]}})
    assert sorted(result["metadata"]["finalizers"]) == ["a", "b", "c"]


def test_delete_from_primitive_list_removes_scalars() -> None:
    document = {"metadata": {"finalizers": ["a", "b", "c"]}}
    result = patched(document, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}})
    assert result["metadata"]["finalizers"] == ["a", "c"]


def test_set_element_order_reorders_and_keeps_what_only_the_server_has() -> None:
    patch = {
        "spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "c", "image": "2"}]}
    }
    result = patched(containers("a", "b", "c"), patch)
    assert names(result) == ["c", "a", "b"] or names(result) == ["b", "c", "a"]
    assert {"name": "c", "image": "2"} in result["spec"]["containers"]


def test_set_element_order_without_a_list_only_reorders() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert names(patched(containers("a", "b"), patch)) == ["b", "a"]


def test_what_a_patch_adds_in_the_place_of_what_it_deletes_is_ordered_as_the_servers() -> None:
    # As kubectl and kube-apiserver order it: found by comparing with kubectl over generated objects.
    patch = {
        "spec": {
            "containers": [{"name": "a", "image": "y"}, {"name": "b", "$patch": "delete"}],
            "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}, {"name": "e"}],
        }
    }
    assert names(patched(containers("b", "c"), patch)) == ["c", "a"]
    assert names(patched(containers("c"), patch)) == ["a", "c"]


def test_set_element_order_that_contradicts_the_list_is_a_bad_request() -> None:
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "b", "image": "x"}],
        }
    }
    with pytest.raises(StatusError) as caught:
        patched(containers("a", "b"), patch)
    assert caught.value.code == 400


def test_retain_keys_clears_the_other_fields() -> None:
    document = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    result = patched(document, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, DEPLOYMENT)
    assert result["spec"]["strategy"] == {"type": "Recreate"}


def test_retain_keys_must_list_what_the_patch_sets() -> None:
    with pytest.raises(StatusError) as caught:
        patched({"spec": {"strategy": {}}}, {"spec": {"strategy": {"$retainKeys": ["a"], "type": "Recreate"}}}, DEPLOYMENT)
    assert (caught.value.code, caught.value.message) == (400, "invalid patch format of retainKeys")


def test_an_element_without_its_merge_key_is_rejected() -> None:
    with pytest.raises(StatusError) as caught:
        patched(containers("a"), {"spec": {"containers": [{"image": "x"}]}})
    assert caught.value.code == 422


def test_an_unknown_directive_is_rejected() -> None:
    with pytest.raises(StatusError) as caught:
        patched(containers("a"), {"spec": {"$patch": "mend"}})
    assert caught.value.code == 422


def test_directives_leave_no_trace_where_there_is_nothing_to_merge_with() -> None:
    patch = {
        "spec": {
            "$setElementOrder/volumes": [{"name": "v"}],
            "volumes": [{"name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}, {"name": "w", "$patch": "delete"}],
        }
    }
    assert patched({"spec": {}}, patch)["spec"] == {"volumes": [{"name": "v", "emptyDir": {}}]}


def test_service_ports_merge_by_port() -> None:
    document = {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]}}
    result = patched(document, {"spec": {"ports": [{"port": 81, "nodePort": 30000}]}}, "io.k8s.api.core.v1.Service")
    assert result["spec"]["ports"] == [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "nodePort": 30000}]


def test_what_has_a_directive_is_not_added_where_there_is_nothing() -> None:
    """As kubectl 1.33 and Kubernetes 1.33 have it: there is nothing to replace or to delete."""
    assert patched({"spec": {}}, {"spec": {"securityContext": {"$patch": "replace", "runAsUser": 1}}}) == {"spec": {}}
    env = [{"name": "e", "$patch": "delete"}, {"name": "f"}]
    got = patched({"spec": {"containers": [{"name": "a"}]}}, {"spec": {"containers": [{"name": "a", "env": env}]}})
    assert got == {"spec": {"containers": [{"name": "a", "env": [{"name": "f"}]}]}}


def test_a_new_element_is_taken_as_it_is() -> None:
    new = {"name": "n", "$retainKeys": ["name", "emptyDir"], "emptyDir": {"$patch": "replace", "medium": "Memory"}}
    got = patched({"spec": {"volumes": [{"name": "v"}]}}, {"spec": {"volumes": [new]}})
    assert got == {"spec": {"volumes": [{"name": "n", "emptyDir": {"medium": "Memory"}}, {"name": "v"}]}}
