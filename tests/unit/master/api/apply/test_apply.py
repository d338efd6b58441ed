"""Server-side apply and ownership through updates, as structured-merge-diff and Kubernetes' field manager have them."""

import copy
from typing import Any

import pytest

from master.api.apply import field_manager
from master.api.apply.cap import ANCIENT
from master.api.apply.field_manager import BEFORE_FIRST_APPLY, Writer
from master.api.apply.field_sets import EMPTY, FieldSet, field_paths, of
from master.api.apply.updater import Target
from master.api.schema.merge_types import MergeType
from master.api.schema.schemas import Schemas
from master.client.errors import StatusError

Json = dict[str, Any]
DEFINITION = "io.k8s.api.apps.v1.Deployment"
KIND = Schemas([DEFINITION]).merge_type(DEFINITION)
CONTAINERS = ("f:spec", "f:template", "f:spec", "f:containers")


class OneVersion:
    def merge_type(self, api_version: str) -> MergeType | None:
        return KIND if api_version == "apps/v2" else None

    def convert(self, obj: Any, api_version: str) -> Any:
        return {**obj, "apiVersion": api_version}

    def back(self, obj: Any, api_version: str) -> Any:
        return {**obj, "apiVersion": "apps/v1"}

    def reset_fields(self, api_version: str) -> FieldSet:
        return of(field_paths("status")) if api_version == "apps/v1" else EMPTY


TARGET = Target("apps/v1", KIND, OneVersion())


def config(**spec: Any) -> Json:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}


def containers(*names: str, **fields: Any) -> Json:
    return {"template": {"spec": {"containers": [{"name": name, **fields} for name in names]}}}


class Object:
    """One object through its writes."""

    def __init__(self) -> None:
        self.obj: Json | None = None
        self.clock = 0

    def apply(self, manager: str, wanted: Json, *, force: bool = False) -> Json:
        merged, entries = field_manager.applied(TARGET, self.obj, wanted, writer=self._writer(manager), force=force)
        return self._keep(merged, entries)

    def update(self, manager: str, new: Json, *, sent: Any = None) -> Json:
        entries = field_manager.updated(TARGET, self.obj or {}, new, sent=sent, writer=self._writer(manager))
        return self._keep(copy.deepcopy(new), entries)

    def owners(self) -> dict[str, Any]:
        assert self.obj is not None
        return {entry["manager"]: entry["fieldsV1"] for entry in self.obj["metadata"].get("managedFields", ())}

    def times(self) -> dict[str, str]:
        assert self.obj is not None
        return {entry["manager"]: entry.get("time", "") for entry in self.obj["metadata"]["managedFields"]}

    def without_owners(self) -> Json:
        assert self.obj is not None
        obj = copy.deepcopy(self.obj)
        obj["metadata"].pop("managedFields", None)
        return obj

    def _writer(self, manager: str) -> Writer:
        self.clock += 1
        return Writer(manager=manager, now=f"2026-01-01T00:00:{self.clock:02}Z")

    def _keep(self, obj: Json, entries: Any) -> Json:
        obj = copy.deepcopy(obj)
        obj["metadata"] = {**obj.get("metadata", {}), "uid": "u"}
        if entries:
            obj["metadata"]["managedFields"] = copy.deepcopy(entries)
        self.obj = obj
        return obj


def test_applying_the_same_twice_changes_nothing() -> None:
    thing = Object()
    first = thing.apply("a", config(replicas=1))
    assert thing.apply("a", config(replicas=1)) == first


def test_what_an_applier_leaves_out_goes() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1, paused=True, **containers("x", "y")))
    left = thing.apply("a", config(replicas=1, **containers("y")))
    assert left["spec"] == {"replicas": 1, "template": {"spec": {"containers": [{"name": "y"}]}}}


def test_what_another_owns_too_stays() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1, **containers("x", image="i")))
    thing.apply("b", config(replicas=1))
    left = thing.apply("a", config(**containers("x", image="i")))
    assert left["spec"]["replicas"] == 1
    assert thing.owners()["b"] == {"f:spec": {"f:replicas": {}}}


def test_an_item_with_fields_of_others_stays() -> None:
    """The item itself is claimed by whoever claims a part of it."""
    thing = Object()
    thing.apply("a", config(**containers("x", image="i")))
    thing.apply("b", config(**containers("x", workingDir="/")))
    left = thing.apply("a", config())
    assert left["spec"]["template"]["spec"]["containers"] == [{"name": "x", "workingDir": "/"}]


def test_another_value_is_a_conflict() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1, paused=True))
    with pytest.raises(StatusError) as caught:
        thing.apply("b", config(replicas=2))
    error = caught.value
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == 'Apply failed with 1 conflict: conflict with "a": .spec.replicas'
    assert error.details == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".spec.replicas"}]
    }


def test_several_conflicts_are_listed_by_manager() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1))
    changed = thing.without_owners()
    changed["spec"]["paused"] = True
    thing.update("u", changed)
    with pytest.raises(StatusError) as caught:
        thing.apply("b", config(replicas=2, paused=False))
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.replicas\n'
        'conflicts with "u" using apps/v1:\n- .spec.paused'
    )


def test_force_takes_fields() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1, paused=True))
    got = thing.apply("b", config(replicas=2), force=True)
    assert got["spec"] == {"replicas": 2, "paused": True}
    assert thing.owners() == {"a": {"f:spec": {"f:paused": {}}}, "b": {"f:spec": {"f:replicas": {}}}}


def test_the_same_value_is_shared() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1))
    thing.apply("b", config(replicas=1))
    assert thing.owners() == {"a": {"f:spec": {"f:replicas": {}}}, "b": {"f:spec": {"f:replicas": {}}}}


def test_an_update_takes_what_it_changes() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1, paused=True))
    changed = thing.without_owners()
    changed["spec"]["replicas"] = 3
    thing.update("u", changed)
    assert thing.owners() == {"a": {"f:spec": {"f:paused": {}}}, "u": {"f:spec": {"f:replicas": {}}}}


def test_an_update_that_removes_a_field_removes_it_from_its_owners() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1, paused=True))
    changed = thing.without_owners()
    del changed["spec"]["paused"]
    thing.update("u", changed)
    assert thing.owners() == {"a": {"f:spec": {"f:replicas": {}}}}


def test_an_update_without_change_keeps_entries_and_times() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1))
    before = thing.times()
    entries = thing.obj["metadata"]["managedFields"] if thing.obj else None
    assert field_manager.updated(
        TARGET, thing.obj or {}, thing.without_owners(), sent=None, writer=Writer(manager="u", now="later")
    ) is entries  # fmt: skip
    assert thing.times() == before


def test_metadata_of_the_server_and_the_status_are_never_owned() -> None:
    thing = Object()
    created = config(replicas=1)
    created["metadata"] |= {"uid": "u", "creationTimestamp": "t", "generation": 1, "namespace": "n", "generateName": "x"}
    created["status"] = {"replicas": 1}
    thing.update("u", created)
    assert thing.owners() == {"u": {"f:metadata": {"f:generateName": {}}, "f:spec": {"f:replicas": {}}}}


def test_an_object_without_owners_gets_none_before_its_first_apply() -> None:
    thing = Object()
    thing.obj = {**config(replicas=1), "metadata": {"name": "x", "uid": "u"}}
    changed = thing.without_owners()
    changed["spec"]["replicas"] = 2
    thing.update("u", changed)
    assert thing.owners() == {}
    thing.apply("a", config(paused=True))
    assert thing.owners() == {
        "a": {"f:spec": {"f:paused": {}}},
        BEFORE_FIRST_APPLY: {"f:spec": {"f:replicas": {}}},
    }
    with pytest.raises(StatusError, match=r'conflict with "before-first-apply" using apps/v1: .spec.replicas'):
        thing.apply("a", config(replicas=5))


@pytest.mark.parametrize("sent", [[], [{}]])
def test_a_client_may_reset_the_owners(sent: Any) -> None:
    thing = Object()
    thing.apply("a", config(replicas=1))
    thing.update("u", thing.without_owners(), sent=sent)
    assert thing.owners() == {}


def test_a_client_may_send_its_own_entries() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1, paused=True))
    sent = [
        {
            "manager": "b",
            "operation": "Apply",
            "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:paused": {}}},
        }
    ]
    thing.update("u", thing.without_owners(), sent=sent)
    assert thing.owners() == {"b": {"f:spec": {"f:paused": {}}}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "Remove"},
        {"apiVersion": ""},
        {"fieldsType": "FieldsV2"},
        {"fieldsV1": {"bogus": {}}},
    ],
)
def test_entries_that_nobody_can_read_do_not_count(wrong: Json) -> None:
    thing = Object()
    thing.apply("a", config(replicas=1))
    entry = {"manager": "b", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {}}
    thing.update("u", thing.without_owners(), sent=[{**entry, **wrong}])
    assert thing.owners() == {"a": {"f:spec": {"f:replicas": {}}}}


def test_many_updaters_are_put_together() -> None:
    thing = Object()
    thing.update("u0", {**config(), "metadata": {"name": "x", "labels": {"l0": ""}}})
    for number in range(1, 20):
        changed = thing.without_owners()
        changed["metadata"]["labels"][f"l{number}"] = ""
        thing.update(f"u{number}", changed)
    owners = thing.owners()
    assert len(owners) == 10
    assert ANCIENT in owners
    labels = [name for fields in owners.values() for name in fields["f:metadata"]["f:labels"] if name != "."]
    assert sorted(labels) == sorted(f"f:l{number}" for number in range(20))


def test_an_applier_owns_what_it_applied_in_another_version() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1, paused=True))
    assert thing.obj is not None
    thing.obj["metadata"]["managedFields"][0]["apiVersion"] = "apps/v2"
    assert "paused" not in thing.apply("a", config(replicas=1))["spec"]
    assert [entry["apiVersion"] for entry in thing.obj["metadata"]["managedFields"]] == ["apps/v1"]


def test_owners_in_a_version_that_is_gone_are_forgotten() -> None:
    thing = Object()
    thing.apply("a", config(replicas=1))
    assert thing.obj is not None
    thing.obj["metadata"]["managedFields"][0]["apiVersion"] = "apps/v1beta1"
    thing.apply("b", config(replicas=2))
    assert thing.owners() == {"b": {"f:spec": {"f:replicas": {}}}}


def test_items_are_ordered_as_the_applied_list_has_them() -> None:
    thing = Object()
    thing.apply("a", config(**containers("a", "b", "c")))
    got = thing.apply("z", config(**containers("x", "c", "a")))
    names = [item["name"] for item in got["spec"]["template"]["spec"]["containers"]]
    assert names == ["b", "x", "c", "a"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"replicass": 1}, ".spec.replicass: field not declared in schema"),
        ({"replicas": "1"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"template": []}, ".spec.template: expected map, got &{[]}"),
        (containers("x", "x"), '.spec.template.spec.containers: duplicate entries for key [name="x"]'),
        (
            {"template": {"spec": {"containers": [{"image": "i"}]}}},
            ".spec.template.spec.containers: element 0: associative list with keys has an element that omits all key fields "
            '["name"] (and doesn\'t have default values for any key fields)',
        ),
    ],
)
def test_a_config_that_does_not_fit_is_refused(wrong: Json, why: str) -> None:
    with pytest.raises(StatusError) as caught:
        Object().apply("a", config(**wrong))
    assert caught.value.code == 400
    assert caught.value.message == f"failed to create typed patch object (/x; apps/v1, Kind=Deployment): {why}"


def test_an_applied_object_must_not_have_owners() -> None:
    wanted = config()
    wanted["metadata"]["managedFields"] = []
    with pytest.raises(StatusError, match=r"metadata.managedFields must be nil"):
        Object().apply("a", wanted)


def test_kubectl_takes_over_what_it_applied_on_the_client_side() -> None:
    """The annotation says what was its own; what somebody changed since is a conflict."""
    thing = Object()
    last = '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"},"spec":{"replicas":1,"paused":true}}'
    live = config(replicas=1, paused=True)
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": last}
    thing.update("kubectl-client-side-apply", live)
    got = thing.apply("kubectl", config(replicas=2, paused=True))
    assert got["spec"]["replicas"] == 2
    annotation = got["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert '"replicas":2' in annotation
    changed = thing.without_owners()
    changed["spec"]["replicas"] = 9
    thing.update("scaler", changed)
    with pytest.raises(StatusError, match=r'conflict with "scaler" using apps/v1: .spec.replicas'):
        thing.apply("kubectl", config(replicas=3, paused=True))
