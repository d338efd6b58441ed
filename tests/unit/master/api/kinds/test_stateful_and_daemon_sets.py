"""StatefulSets, DaemonSets, ReplicationControllers, ControllerRevisions and PodTemplates."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds.controller_revision import KIND as CONTROLLER_REVISION
from master.api.kinds.daemon_set import KIND as DAEMON_SET
from master.api.kinds.daemon_set import TEMPLATE_GENERATION
from master.api.kinds.kind import Kind
from master.api.kinds.pod_template import KIND as POD_TEMPLATE
from master.api.kinds.replication_controller import KIND as REPLICATION_CONTROLLER
from master.api.kinds.stateful_set import KIND as STATEFUL_SET
from tests.unit.master.api.kinds.made import created, errors, updated

Json = dict[str, Any]

TEMPLATE: Json = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "a", "image": "b:1"}]}}
SELECTOR: Json = {"matchLabels": {"app": "w"}}
CLAIM: Json = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def made(kind: Kind, **spec: Any) -> Json:
    return created(kind, {"spec": {"selector": SELECTOR, "template": TEMPLATE, **spec}})


def changed(kind: Kind, old: Json, **spec: Any) -> Json:
    return updated(kind, old, spec={**deepcopy(old["spec"]), **spec})


def status_errors(kind: Kind, old: Json, **status: Any) -> list[str]:
    obj = {**deepcopy(old), "status": status}
    kind.default(obj)
    return [f"{cause.field}: {cause.message}" for cause in kind.validate_status(obj, old)]


def test_defaults_of_a_stateful_set() -> None:
    obj = made(STATEFUL_SET, volumeClaimTemplates=[CLAIM])
    spec = obj["spec"]
    assert errors(STATEFUL_SET, obj) == []
    assert (spec["podManagementPolicy"], spec["replicas"], spec["revisionHistoryLimit"]) == ("OrderedReady", 1, 10)
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (claim["spec"]["volumeMode"], claim["status"]) == ("Filesystem", {"phase": "Pending"})
    assert obj["status"] == {"replicas": 0, "availableReplicas": 0}


def test_containers_of_a_stateful_set_mount_its_claims() -> None:
    template = deepcopy(TEMPLATE)
    template["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/d"}]
    assert errors(STATEFUL_SET, made(STATEFUL_SET, template=template, volumeClaimTemplates=[CLAIM])) == []
    assert errors(STATEFUL_SET, made(STATEFUL_SET, template=template)) == [
        'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"'
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"podManagementPolicy": "Any"},
            "spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'",
        ),
        (
            {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {}}},
            "spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for updateStrategy 'RollingUpdate'",
        ),
        (
            {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": -1}}},
            "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0",
        ),
        ({"selector": None}, "spec.selector: Required value"),
        ({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for statefulset"),
        ({"ordinals": {"start": -1}}, "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"),
    ],
)
def test_errors_of_a_stateful_set(spec: Json, expected: str) -> None:
    assert errors(STATEFUL_SET, made(STATEFUL_SET, **spec)) == [expected]


def test_a_stateful_set_is_named_as_its_pods_can_be() -> None:
    obj = made(STATEFUL_SET)
    obj["metadata"]["name"] = "a.b"
    assert errors(STATEFUL_SET, obj) == ['metadata.name: Invalid value: "a.b": must not contain dots']


def test_most_of_a_stateful_set_is_fixed() -> None:
    old = made(STATEFUL_SET, serviceName="s", volumeClaimTemplates=[CLAIM])
    scaled = changed(STATEFUL_SET, old, replicas=3, minReadySeconds=5, ordinals={"start": 1}, revisionHistoryLimit=2)
    assert errors(STATEFUL_SET, scaled, old) == []
    assert scaled["metadata"]["generation"] == 2
    fixed: list[Json] = [{"serviceName": "t"}, {"volumeClaimTemplates": []}, {"podManagementPolicy": "Parallel"}]
    for spec in fixed:
        assert errors(STATEFUL_SET, changed(STATEFUL_SET, old, **spec), old) == [
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
            "forbidden"
        ]


def test_counts_of_a_status_fit_together() -> None:
    old = made(STATEFUL_SET)
    assert status_errors(STATEFUL_SET, old, replicas=1, readyReplicas=2, availableReplicas=1) == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]
    assert status_errors(STATEFUL_SET, old, replicas=2, readyReplicas=0, availableReplicas=1) == [
        "status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas"
    ]
    old["status"]["collisionCount"] = 2
    assert status_errors(STATEFUL_SET, old, replicas=0) == ["status.collisionCount: Invalid value: 0: cannot be decremented"]


def test_defaults_of_a_daemon_set() -> None:
    obj = made(DAEMON_SET)
    assert errors(DAEMON_SET, obj) == []
    assert obj["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    assert obj["metadata"]["annotations"] == {TEMPLATE_GENERATION: "1"}
    assert obj["status"]["desiredNumberScheduled"] == obj["status"]["numberReady"] == 0


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": "10%"}}},
            'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: "10%": may not be set when maxUnavailable is non-zero',
        ),
        (
            {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
        ),
        (
            {"selector": None},
            'spec.template.metadata.labels: Invalid value: {"app":"w"}: `selector` does not match template `labels`',
        ),
    ],
)
def test_errors_of_a_daemon_set(spec: Json, expected: str) -> None:
    assert errors(DAEMON_SET, made(DAEMON_SET, **spec)) == [expected]


def test_a_daemon_set_counts_its_templates() -> None:
    old = made(DAEMON_SET)
    template = deepcopy(old["spec"]["template"])
    template["spec"]["containers"][0]["image"] = "b:2"
    new = changed(DAEMON_SET, old, template=template)
    assert (new["metadata"]["annotations"][TEMPLATE_GENERATION], new["metadata"]["generation"]) == ("2", 2)
    other = changed(DAEMON_SET, new, minReadySeconds=3)
    assert (other["metadata"]["annotations"][TEMPLATE_GENERATION], other["metadata"]["generation"]) == ("2", 3)
    selector = changed(DAEMON_SET, old, selector={"matchExpressions": [{"key": "app", "operator": "Exists"}]})
    assert [cause.split(":")[0] for cause in errors(DAEMON_SET, selector, old)] == ["spec.selector"]


def test_a_replication_controller_takes_its_template_s_labels() -> None:
    obj = created(REPLICATION_CONTROLLER, {"spec": {"template": TEMPLATE}})
    assert errors(REPLICATION_CONTROLLER, obj) == []
    assert obj["spec"]["selector"] == obj["metadata"]["labels"] == {"app": "w"}
    assert (obj["spec"]["replicas"], obj["status"]) == (1, {"replicas": 0})
    assert REPLICATION_CONTROLLER.field_selectors["status.replicas"](obj) == "0"


def test_a_replication_controller_needs_a_template_that_it_selects() -> None:
    obj = created(REPLICATION_CONTROLLER, {"spec": {}})
    assert errors(REPLICATION_CONTROLLER, obj) == ["spec.selector: Required value", "spec.template: Required value"]
    obj = created(REPLICATION_CONTROLLER, {"spec": {"selector": {"app": "x"}, "template": TEMPLATE}})
    assert errors(REPLICATION_CONTROLLER, obj) == [
        'spec.template.metadata.labels: Invalid value: {"app":"w"}: `selector` does not match template `labels`'
    ]


def test_a_revision_is_written_once() -> None:
    old = created(CONTROLLER_REVISION, {"data": {"spec": 1}, "revision": 1})
    assert errors(CONTROLLER_REVISION, old) == []
    assert errors(CONTROLLER_REVISION, updated(CONTROLLER_REVISION, old, revision=2), old) == []
    assert errors(CONTROLLER_REVISION, updated(CONTROLLER_REVISION, old, data={"spec": 2}), old) == [
        'data: Invalid value: {"spec":2}: field is immutable'
    ]
    assert errors(CONTROLLER_REVISION, created(CONTROLLER_REVISION, {})) == ["data: Required value: data is mandatory"]


def test_a_template_has_no_ephemeral_containers() -> None:
    template = deepcopy(TEMPLATE)
    template["spec"]["ephemeralContainers"] = [{"name": "e", "image": "b"}]
    obj = created(POD_TEMPLATE, {"template": template})
    assert errors(POD_TEMPLATE, obj) == [
        "template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"
    ]
