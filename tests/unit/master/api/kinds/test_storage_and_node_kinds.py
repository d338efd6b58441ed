"""storage.k8s.io, node.k8s.io and apiregistration.k8s.io."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from master.api.api_services import built_in_api_services
from master.api.kinds.api_service import KIND as API_SERVICE
from master.api.kinds.csi_driver import KIND as CSI_DRIVER
from master.api.kinds.csi_node import KIND as CSI_NODE
from master.api.kinds.csi_storage_capacity import KIND as CSI_STORAGE_CAPACITY
from master.api.kinds.kind import Kind
from master.api.kinds.registry import KINDS
from master.api.kinds.runtime_class import KIND as RUNTIME_CLASS
from master.api.kinds.storage_class import KIND as STORAGE_CLASS
from master.api.kinds.volume_attachment import KIND as VOLUME_ATTACHMENT
from tests.unit.master.api.kinds.made import Json, created, errors, updated

NOW = datetime.now(UTC)


def test_defaults_and_row_of_a_storage_class() -> None:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    obj = created(STORAGE_CLASS, {"metadata": {"annotations": annotations}, "provisioner": "example.com/p"})
    assert (obj["reclaimPolicy"], obj["volumeBindingMode"]) == ("Delete", "Immediate")
    assert errors(STORAGE_CLASS, obj) == []
    assert STORAGE_CLASS.row(obj, NOW)[:5] == ["x (default)", "example.com/p", "Delete", "Immediate", False]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"provisioner": ""}, ["provisioner: Required value"]),
        ({"reclaimPolicy": "Recycle"}, ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"']),
        ({"parameters": {"": "x"}}, ['parameters: Invalid value: "": field can not be empty.']),
        (
            {"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": ["a", "a"]}]}]},
            ['allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"'],
        ),
    ],
)
def test_a_wrong_storage_class_is_refused(fields: Json, expected: list[str]) -> None:
    assert errors(STORAGE_CLASS, created(STORAGE_CLASS, {"provisioner": "p", **fields})) == expected


def test_what_makes_volumes_never_changes() -> None:
    old = created(STORAGE_CLASS, {"provisioner": "p"})
    changed = updated(
        STORAGE_CLASS,
        old,
        provisioner="q",
        parameters={"a": "b"},
        reclaimPolicy="Retain",
        volumeBindingMode="WaitForFirstConsumer",
        allowVolumeExpansion=True,
    )
    assert errors(STORAGE_CLASS, changed, old) == [
        "parameters: Forbidden: updates to parameters are forbidden.",
        "provisioner: Forbidden: updates to provisioner are forbidden.",
        "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
        'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
    ]
    assert errors(STORAGE_CLASS, updated(STORAGE_CLASS, old, allowVolumeExpansion=True), old) == []


ATTACHMENT: Json = {"attacher": "csi.example.com", "nodeName": "n", "source": {"persistentVolumeName": "pv"}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"attacher": ""}, ["spec.attacher: Required value"]),
        (
            {"source": {}},
            ["spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"],
        ),
        (
            {"source": {"persistentVolumeName": ""}},
            ["spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName"],
        ),
    ],
)
def test_volume_attachments(spec: Json, expected: list[str]) -> None:
    assert errors(VOLUME_ATTACHMENT, created(VOLUME_ATTACHMENT, {"spec": {**ATTACHMENT, **spec}})) == expected


def test_an_attachment_s_spec_never_changes_and_its_status_only_in_its_place() -> None:
    old = created(VOLUME_ATTACHMENT, {"spec": ATTACHMENT, "status": {"attached": True}})
    assert old["status"] == {"attached": False}
    changed = updated(VOLUME_ATTACHMENT, old, spec={**ATTACHMENT, "nodeName": "m"}, status={"attached": True})
    assert changed["status"] == {"attached": False}
    assert errors(VOLUME_ATTACHMENT, changed, old)[0].endswith("field is immutable")
    obj = {**deepcopy(old), "status": {"attached": True, "attachError": {"message": "x" * 2000}}}
    assert [cause.field for cause in VOLUME_ATTACHMENT.validate_status(obj, old)] == ["status.attachError.message"]
    assert VOLUME_ATTACHMENT.row(obj, NOW)[:5] == ["x", "csi.example.com", "pv", "n", True]


def test_defaults_and_changes_of_a_csi_driver() -> None:
    old = created(CSI_DRIVER, {"metadata": {"name": "csi.example.com"}, "spec": {"nodeAllocatableUpdatePeriodSeconds": 60}})
    assert old["spec"] == {
        "attachRequired": True,
        "podInfoOnMount": False,
        "storageCapacity": False,
        "requiresRepublish": False,
        "seLinuxMount": False,
        "volumeLifecycleModes": ["Persistent"],
        "fsGroupPolicy": "ReadWriteOnceWithFSType",
    }
    assert errors(CSI_DRIVER, old) == []
    changed = updated(CSI_DRIVER, old, spec={"attachRequired": False, "podInfoOnMount": True})
    assert errors(CSI_DRIVER, changed, old) == ["spec.attachedRequired: Invalid value: false: field is immutable"]
    assert changed["metadata"]["generation"] == 2
    assert CSI_DRIVER.row(old, NOW)[1:7] == [True, False, False, "<unset>", False, "Persistent"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"fsGroupPolicy": "X"}, 'spec.fsGroupPolicy: Unsupported value: "X": supported values: "ReadWriteOnceWithFSType", '),
        (
            {"volumeLifecycleModes": ["X"]},
            'spec.volumeLifecycleModes: Unsupported value: "X": supported values: "Persistent", ',
        ),
        ({"tokenRequests": [{"audience": "a"}] * 2}, 'spec.tokenRequests[1].audience: Duplicate value: "a"'),
        (
            {"tokenRequests": [{"audience": "a", "expirationSeconds": 5}]},
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
        ),
    ],
)
def test_a_wrong_csi_driver_is_refused(spec: Json, expected: str) -> None:
    assert errors(CSI_DRIVER, created(CSI_DRIVER, {"spec": spec}))[0].startswith(expected)


def test_a_registered_driver_of_a_node_never_changes() -> None:
    driver = {"name": "csi.example.com", "nodeID": "1", "topologyKeys": ["zone"]}
    old = created(CSI_NODE, {"spec": {"drivers": [driver]}})
    assert errors(CSI_NODE, old) == []
    other = {**driver, "nodeID": "2"}
    assert errors(CSI_NODE, updated(CSI_NODE, old, spec={"drivers": [other]}), old)[0].startswith("CSINodeDriver: ")
    assert errors(CSI_NODE, updated(CSI_NODE, old, spec={"drivers": []}), old) == []
    wrong = created(CSI_NODE, {"spec": {"drivers": [{"name": "", "nodeID": ""}]}})
    assert errors(CSI_NODE, wrong) == ["spec.drivers[0].name: Required value", "spec.drivers[0].nodeID: Required value"]
    assert CSI_NODE.row(old, NOW)[1] == 1


def test_storage_capacity() -> None:
    old = created(CSI_STORAGE_CAPACITY, {"storageClassName": "fast", "capacity": "1Gi", "nodeTopology": {}})
    assert errors(CSI_STORAGE_CAPACITY, old) == []
    assert list(CSI_STORAGE_CAPACITY.row(old, NOW)) == ["x", "fast", "1Gi"]
    changed = updated(CSI_STORAGE_CAPACITY, old, storageClassName="slow", capacity="-1")
    assert errors(CSI_STORAGE_CAPACITY, changed, old) == [
        'capacity: Invalid value: "-1": must be greater than or equal to 0',
        'storageClassName: Invalid value: "slow": field is immutable',
    ]


def test_runtime_classes() -> None:
    overhead = {"podFixed": {"memory": "64Mi"}}
    scheduling = {"nodeSelector": {"runtime": "kata"}, "tolerations": [{"key": "kata", "operator": "Exists"}]}
    old = created(RUNTIME_CLASS, {"handler": "kata", "overhead": overhead, "scheduling": scheduling})
    assert errors(RUNTIME_CLASS, old) == []
    assert errors(RUNTIME_CLASS, updated(RUNTIME_CLASS, old, handler="other"), old) == [
        'handler: Invalid value: "other": field is immutable'
    ]
    wrong = created(RUNTIME_CLASS, {"handler": "A", "overhead": {"podFixed": {"memory": "-1"}}})
    assert [text.partition(":")[0] for text in errors(RUNTIME_CLASS, wrong)] == ["handler", "overhead.limits[memory]"]
    assert RUNTIME_CLASS.row(old, NOW)[:2] == ["x", "kata"]


def api_service(**spec: Any) -> Json:
    wanted = {"group": "g.io", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10, **spec}
    return created(API_SERVICE, {"metadata": {"name": "v1.g.io"}, "spec": wanted})


def test_a_local_api_service_is_available_at_once() -> None:
    obj = api_service()
    assert errors(API_SERVICE, obj) == []
    assert API_SERVICE.row(obj, NOW)[:3] == ["v1.g.io", "Local", "True"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"service": {"name": "s", "namespace": "n"}},
            "spec.service: Forbidden: aggregated API servers are not supported: this API serves all its groups itself",
        ),
        ({"version": "v2"}, 'metadata.name: Invalid value: "v1.g.io": must be `spec.version+"."+spec.group`: "v2.g.io"'),
        (
            {"groupPriorityMinimum": 0},
            "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
        ),
    ],
)
def test_a_wrong_api_service_is_refused(spec: Json, expected: str) -> None:
    assert errors(API_SERVICE, api_service(**spec)) == [expected]


def test_every_group_has_a_valid_api_service() -> None:
    services = built_in_api_services()
    assert {"v1.", "v1.apps", "v1.authorization.k8s.io", "v1.rbac.authorization.k8s.io"} <= {
        service["metadata"]["name"] for service in services
    }
    assert [errors(API_SERVICE, created(API_SERVICE, service)) for service in services] == [[]] * len(services)


@pytest.mark.parametrize("kind", [STORAGE_CLASS, CSI_NODE, CSI_DRIVER, RUNTIME_CLASS, API_SERVICE, VOLUME_ATTACHMENT])
def test_cluster_wide_kinds_have_no_namespace(kind: Kind) -> None:
    assert not kind.namespaced


def test_what_controllers_and_drivers_write_must_be_updated_from_what_was_read() -> None:
    conditional = {kind.kind for kind in KINDS if not kind.unconditional_update}
    assert {
        "APIService", "CSIDriver", "CSINode", "CSIStorageCapacity", "MutatingWebhookConfiguration", "RuntimeClass",
        "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment",
    } <= conditional  # fmt: skip
    assert not {"ClusterRole", "Ingress", "PriorityClass", "StorageClass"} & conditional
