"""Pods with scheduling gates: their condition, and what may change while they wait."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds.pod import KIND

Json = dict[str, Any]


def pod(*gates: str, **spec: Any) -> Json:
    spec = {"containers": [{"name": "a", "image": "busybox:1"}], "schedulingGates": [{"name": g} for g in gates], **spec}
    obj: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec}
    KIND.prepare_for_create(obj)
    KIND.default(obj)
    return obj


def errors(old: Json, **changes: Any) -> list[str]:
    new = deepcopy(old)
    new["spec"].update(changes)
    KIND.prepare_for_update(new, old)
    return [f"{cause.field}: {cause.message}" for cause in KIND.validate(new, old)]


def required(*terms: Json) -> Json:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def term(*keys: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": "Exists"} for key in keys]}


def test_a_pod_with_gates_says_why_it_waits() -> None:
    assert pod("wherry.io/quota")["status"]["conditions"] == [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
    ]
    assert "conditions" not in pod()["status"]


@pytest.mark.parametrize("left", [[], [{"name": "x.io/b"}]])
def test_gates_may_be_removed(left: list[Json]) -> None:
    assert errors(pod("x.io/a", "x.io/b"), schedulingGates=left) == []


@pytest.mark.parametrize("old", [pod(), pod("x.io/a")])
def test_gates_may_not_be_added(old: Json) -> None:
    (error,) = errors(old, schedulingGates=[{"name": "x.io/new"}])
    assert error == (
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'x.io/new'"
    )


@pytest.mark.parametrize(
    ("old", "changes"),
    [
        (pod("x.io/a"), {"nodeSelector": {"a": "b"}}),
        (pod("x.io/a", nodeSelector={"a": "b"}), {"nodeSelector": {"a": "b", "c": "d"}, "schedulingGates": []}),
        (pod("x.io/a"), {"affinity": required(term("k"))}),
        (pod("x.io/a", affinity=required(term("k"))), {"affinity": required(term("k", "l"))}),
    ],
)
def test_where_a_gated_pod_may_run_can_be_narrowed(old: Json, changes: Json) -> None:
    assert errors(old, **changes) == []


@pytest.mark.parametrize(
    ("old", "changes", "message"),
    [
        (pod("x.io/a", nodeSelector={"a": "b"}), {"nodeSelector": {}}, "only additions to spec.nodeSelector are allowed"),
        (pod("x.io/a", affinity=required(term("k"))), {"affinity": required(term("l"))}, "only additions are allowed"),
        (pod("x.io/a", affinity=required(term("k"))), {"affinity": {}}, "no additions/deletions to non-empty"),
        (pod("x.io/a", affinity=required({})), {"affinity": required(term("l"))}, "only additions are allowed"),
        (pod("x.io/a"), {"affinity": {"podAffinity": {}}, "hostname": "h"}, "pod updates may not change fields other than"),
        (pod(), {"nodeSelector": {"a": "b"}}, "pod updates may not change fields other than"),
        (pod(), {"affinity": required(term("k"))}, "pod updates may not change fields other than"),
    ],
)
def test_nothing_else_may_change(old: Json, changes: Json, message: str) -> None:
    (error,) = errors(old, **changes)
    assert message in error
