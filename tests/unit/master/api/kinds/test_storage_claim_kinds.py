"""PersistentVolumes, their claims, quotas, limit ranges and disruption budgets."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds.kind import Kind
from master.api.kinds.limit_range import KIND as LIMIT_RANGE
from master.api.kinds.persistent_volume import KIND as VOLUME
from master.api.kinds.persistent_volume_claim import KIND as CLAIM
from master.api.kinds.pod_disruption_budget import KIND as BUDGET
from master.api.kinds.resource_quota import KIND as QUOTA
from tests.unit.master.api.kinds.made import created, errors, updated

Json = dict[str, Any]

STORAGE: Json = {"requests": {"storage": "1Gi"}}
IMMUTABLE = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
    "claims"
)


def made(kind: Kind, **spec: Any) -> Json:
    return created(kind, {"spec": spec})


def volume(**spec: Any) -> Json:
    base = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    return made(VOLUME, **({**base, "hostPath": {"path": "/d"}} if not spec else {**base, **spec}))


def claim(**spec: Any) -> Json:
    return made(CLAIM, **{"accessModes": ["ReadWriteOnce"], "resources": STORAGE, **spec})


def changed(kind: Kind, old: Json, **spec: Any) -> list[str]:
    return errors(kind, updated(kind, old, spec={**deepcopy(old["spec"]), **spec}), old)


def test_a_volume_s_defaults() -> None:
    obj = volume()
    assert errors(VOLUME, obj) == []
    spec = obj["spec"]
    assert (spec["persistentVolumeReclaimPolicy"], spec["volumeMode"]) == ("Retain", "Filesystem")
    assert spec["hostPath"]["type"] == ""
    assert obj["status"]["phase"] == "Pending"
    assert obj["status"]["lastPhaseTransitionTime"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"nfs": {"server": "s", "path": "p"}}, ['spec.nfs.path: Invalid value: "p": must be an absolute path']),
        ({"csi": {"driver": "d"}}, ["spec.csi.volumeHandle: Required value"]),
        ({"local": {"path": "/d"}}, ["spec.nodeAffinity: Required value: Local volume requires node affinity"]),
        (
            {"hostPath": {"path": "/d"}, "nfs": {"server": "s", "path": "/"}},
            ["spec.nfs: Forbidden: may not specify more than 1 volume type"],
        ),
        ({"volumeMode": "Block"}, ["spec: Required value: must specify a volume type"]),
        (
            {"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"},
            ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
        ),
        (
            {"hostPath": {"path": "/d"}, "accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]},
            ["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
        ),
        (
            {"hostPath": {"path": "/d"}, "capacity": {"storage": "0"}},
            ['spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
        ),
    ],
)
def test_errors_of_a_volume(spec: Json, expected: list[str]) -> None:
    assert errors(VOLUME, volume(**spec)) == expected


def test_where_a_volume_is_never_changes() -> None:
    old = volume()
    assert changed(VOLUME, old, persistentVolumeReclaimPolicy="Delete") == []
    (error,) = changed(VOLUME, old, hostPath={"path": "/e"})
    assert error.startswith("spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation")


def test_a_volume_s_phase_is_dated() -> None:
    old = volume()
    old["status"]["lastPhaseTransitionTime"] = "2020-01-01T00:00:00Z"
    bound = {**deepcopy(old), "status": {**old["status"], "phase": "Bound"}}
    VOLUME.prepare_for_status_update(bound, old)
    assert bound["status"]["lastPhaseTransitionTime"] > "2020-01-01T00:00:00Z"
    same = deepcopy(old)
    VOLUME.prepare_for_status_update(same, old)
    assert same == old


def test_a_claim_s_defaults() -> None:
    obj = claim()
    assert errors(CLAIM, obj) == []
    assert (obj["spec"]["volumeMode"], obj["status"]) == ("Filesystem", {"phase": "Pending"})


def test_either_data_source_sets_the_other() -> None:
    snapshot = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
    assert claim(dataSource=snapshot)["spec"]["dataSourceRef"] == snapshot
    assert claim(dataSourceRef=snapshot)["spec"]["dataSource"] == snapshot
    other = {"apiGroup": "example.com", "kind": "Backup", "name": "b"}
    assert "dataSource" not in claim(dataSource=other)["spec"]
    assert "dataSource" not in claim(dataSourceRef=other)["spec"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"accessModes": []}, "spec.accessModes: Required value: at least 1 access mode is required"),
        ({"resources": {}}, "spec.resources[storage]: Required value"),
        ({"dataSourceRef": {"kind": "Backup", "name": "b"}}, "spec.dataSourceRef: Invalid value: \"Backup\": must be "
         "'PersistentVolumeClaim' when referencing the default apiGroup"),
    ],
)  # fmt: skip
def test_errors_of_a_claim(spec: Json, expected: str) -> None:
    assert errors(CLAIM, claim(**spec)) == [expected]


def test_a_claim_is_fixed_but_for_its_volume_and_the_size_of_a_bound_one() -> None:
    old = claim()
    assert changed(CLAIM, old, volumeName="v") == []
    assert changed(CLAIM, old, storageClassName="late") == []
    larger = {"requests": {"storage": "2Gi"}}
    (error,) = changed(CLAIM, old, resources=larger)
    assert error.startswith(IMMUTABLE)
    old["spec"]["volumeName"], old["status"] = "v", {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    assert changed(CLAIM, old, resources=larger) == []
    assert changed(CLAIM, old, volumeName="w")[0].startswith(IMMUTABLE)
    assert changed(CLAIM, old, resources={"requests": {"storage": "512Mi"}}) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"hard": {"pods": "4", "requests.cpu": "1", "count/deployments.apps": "2", "requests.nvidia.com/gpu": "1"}}, []),
        (
            {"hard": {"apples": "1"}},
            [
                'spec.hard[apples]: Invalid value: "apples": must be a standard resource type or fully qualified',
                'spec.hard[apples]: Invalid value: "apples": must be a standard resource for quota',
            ],
        ),
        ({"hard": {"pods": "1500m"}}, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
        (
            {"hard": {"cpu": "1"}, "scopes": ["BestEffort"]},
            ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
        ),
        (
            {"scopes": ["Terminating", "NotTerminating"]},
            ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'],
        ),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}},
            [
                "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is "
                "'In' or 'NotIn' for scope selector"
            ],
        ),
    ],
)
def test_errors_of_a_quota(spec: Json, expected: list[str]) -> None:
    assert errors(QUOTA, made(QUOTA, **spec)) == expected


def test_a_quota_s_scopes_are_fixed() -> None:
    old = made(QUOTA, hard={"pods": "1"}, scopes=["BestEffort"])
    assert changed(QUOTA, old, hard={"pods": "2"}) == []
    assert changed(QUOTA, old, scopes=[]) == ["spec.scopes: Invalid value: []: field is immutable"]


def test_limits_of_containers_default_to_each_other() -> None:
    item = {"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}, "default": {"memory": "8Mi"}}
    obj = made(LIMIT_RANGE, limits=[item, {"type": "Pod", "max": {"cpu": "4"}}])
    assert errors(LIMIT_RANGE, obj) == []
    first, second = obj["spec"]["limits"]
    assert first["default"] == {"memory": "8Mi", "cpu": "2"}
    assert first["defaultRequest"] == {"memory": "8Mi", "cpu": "2"}
    assert "default" not in second


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}, "default": {"cpu": "2"}},
            [
                'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
                'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1',
                'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
            ],
        ),
        (
            {"type": "Pod", "default": {"cpu": "1"}},
            ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
        ),
        (
            {"type": "PersistentVolumeClaim"},
            ["spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was "
             "provided"],
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}},
            ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
        ),
        ({"type": "House"}, ['spec.limits[0].type: Invalid value: "House": must be a standard limit type or fully qualified']),
    ],
)  # fmt: skip
def test_errors_of_a_limit_range(item: Json, expected: list[str]) -> None:
    assert errors(LIMIT_RANGE, made(LIMIT_RANGE, limits=[item])) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": "50%", "selector": {}}, []),
        ({"minAvailable": "101%"}, ['spec.minAvailable: Invalid value: "101%": must not be greater than 100%']),
        ({"maxUnavailable": -1}, ["spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"minAvailable": 1, "maxUnavailable": 1},
            ['spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set'],
        ),
        (
            {"unhealthyPodEvictionPolicy": "Never"},
            [
                'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", '
                '"IfHealthyBudget"'
            ],
        ),
    ],
)
def test_errors_of_a_budget(spec: Json, expected: list[str]) -> None:
    assert errors(BUDGET, made(BUDGET, **spec)) == expected


def test_a_budget_s_spec_may_change_and_counts() -> None:
    old = made(BUDGET, minAvailable=1)
    assert old["status"] == {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    new = updated(BUDGET, old, spec={"minAvailable": 2})
    assert (errors(BUDGET, new, old), new["metadata"]["generation"]) == ([], 2)
