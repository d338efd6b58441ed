"""Pods: defaults and errors in Kubernetes' words."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds.pod import KIND
from master.api.kinds.pod_spec.defaults import default_pull_policy
from master.api.kinds.pod_spec.qos import qos_class

Json = dict[str, Any]


def pod(**spec: Any) -> Json:
    """A pod as it is stored."""
    spec.setdefault("containers", [{"name": "a", "image": "busybox:1"}])
    obj: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec}
    KIND.prepare_for_create(obj)
    KIND.default(obj)
    KIND.derive(obj)
    return obj


def container(**fields: Any) -> Json:
    return pod(containers=[{"name": "a", "image": "busybox:1", **fields}])


def errors(obj: Json, old: Json | None = None) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in KIND.validate(obj, old)]


def test_defaults_of_a_minimal_pod() -> None:
    assert pod()["spec"] == {
        "containers": [
            {
                "name": "a",
                "image": "busybox:1",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


def test_a_minimal_pod_is_valid() -> None:
    assert errors(pod()) == []


def test_defaulting_twice_changes_nothing_more() -> None:
    obj = pod(
        containers=[
            {
                "name": "a",
                "image": "b",
                "ports": [{"containerPort": 80}],
                "livenessProbe": {"httpGet": {"port": 80}},
                "resources": {"limits": {"cpu": "1"}},
            }
        ],
        volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
        hostNetwork=True,
    )
    again = deepcopy(obj)
    KIND.default(again)
    assert again == obj


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1", "IfNotPresent"), ("r:5000/nginx", "Always"),
        ("r:5000/nginx:1", "IfNotPresent"), ("nginx@sha256:0123", "IfNotPresent"),
    ],
)  # fmt: skip
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert default_pull_policy(image) == policy


def test_probes_get_their_numbers() -> None:
    probe = container(readinessProbe={"httpGet": {"port": 80}})["spec"]["containers"][0]["readinessProbe"]
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_limits_are_the_default_of_requests() -> None:
    resources = container(resources={"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}})
    assert resources["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


def test_volumes_get_their_modes() -> None:
    volumes = pod(
        volumes=[
            {"name": "a", "configMap": {"name": "c"}},
            {"name": "b", "secret": {"secretName": "s"}},
            {"name": "c", "hostPath": {"path": "/x"}},
            {"name": "d"},
        ]
    )["spec"]["volumes"]
    assert volumes == [
        {"name": "a", "configMap": {"name": "c", "defaultMode": 420}},
        {"name": "b", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "c", "hostPath": {"path": "/x", "type": ""}},
        {"name": "d", "emptyDir": {}},
    ]


def test_host_network_publishes_the_ports() -> None:
    obj = pod(hostNetwork=True, containers=[{"name": "a", "image": "b", "ports": [{"containerPort": 80}]}])
    assert obj["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
    assert errors(obj) == []


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod(containers=[]), "spec.containers: Required value"),
        (container(name=""), "spec.containers[0].name: Required value"),
        (container(image=""), "spec.containers[0].image: Required value"),
        (
            pod(containers=[{"name": "a", "image": "b"}, {"name": "a", "image": "b"}]),
            'spec.containers[1].name: Duplicate value: "a"',
        ),
        (
            pod(restartPolicy="Sometimes"),
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
        ),
        (
            container(ports=[{"containerPort": 70000}]),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
            'spec.containers[0].volumeMounts[0].name: Not found: "v"',
        ),
        (
            container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            container(livenessProbe={"tcpSocket": {"port": 80}, "successThreshold": 2}),
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
        (container(livenessProbe={}), "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
        (
            container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
            'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        ),
        (
            pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            pod(volumes=[{"name": "v", "configMap": {}}]),
            "spec.volumes[0].configMap.name: Required value",
        ),
        (
            pod(tolerations=[{"operator": "Equal"}]),
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means '
            '"match all values and all keys"',
        ),
        (
            pod(dnsPolicy="None"),
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        ),
        (
            pod(initContainers=[{"name": "i", "image": "b", "readinessProbe": {"exec": {"command": ["x"]}}}]),
            "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always",
        ),
        (
            pod(terminationGracePeriodSeconds=-1),
            "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
def test_errors_are_worded_as_kubernetes_words_them(obj: Json, expected: str) -> None:
    assert errors(obj) == [expected]


def test_a_bad_name_is_explained_with_its_rule() -> None:
    obj = pod()
    obj["metadata"]["name"] = "Bad_Name"
    assert errors(obj) == [
        'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
        "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
        "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ]


def test_two_containers_cannot_share_a_host_port() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}]
    obj = pod(containers=[{"name": name, "image": "b", "ports": deepcopy(ports)} for name in ("a", "b")])
    assert errors(obj) == ['spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//8080"']


@pytest.mark.parametrize(
    "change",
    [
        {"activeDeadlineSeconds": 10},
        {"tolerations": [{"key": "a", "operator": "Exists"}]},
    ],
)
def test_what_may_change_in_a_pod(change: Json) -> None:
    old = pod()
    new = deepcopy(old)
    new["spec"].update(change)
    new["spec"]["containers"][0]["image"] = "busybox:2"
    assert errors(new, old) == []


def test_what_may_not_change_in_a_pod() -> None:
    old = pod()
    new = deepcopy(old)
    new["spec"]["nodeSelector"] = {"a": "b"}
    (error,) = errors(new, old)
    assert error.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
        "(only additions to existing tolerations)"
    )


def test_what_means_the_same_as_nothing_is_no_change() -> None:
    old = pod(hostNetwork=False, containers=[{"name": "a", "image": "b", "env": [], "command": []}])
    assert errors(pod(containers=[{"name": "a", "image": "b"}]), old) == []
    assert errors(pod(automountServiceAccountToken=False, containers=[{"name": "a", "image": "b"}]), old) != []


def test_containers_cannot_be_added_to_a_pod() -> None:
    old, new = pod(), pod(containers=[{"name": name, "image": "busybox:1"} for name in ("a", "b")])
    assert errors(new, old) == ["spec.containers: Forbidden: pod updates may not add or remove containers"]


def test_a_client_sets_no_status_and_generation_counts_changes_of_the_spec() -> None:
    old = pod()
    assert (old["status"], old["metadata"]["generation"]) == ({"phase": "Pending", "qosClass": "BestEffort"}, 1)
    new = deepcopy(old)
    new["status"] = {"phase": "Running"}
    KIND.prepare_for_update(new, old)
    assert (new["status"]["phase"], new["metadata"]["generation"]) == ("Pending", 1)
    new["spec"]["activeDeadlineSeconds"] = 5
    KIND.prepare_for_update(new, old)
    assert new["metadata"]["generation"] == 2


def test_an_update_of_status_changes_nothing_else() -> None:
    old = pod()
    new = deepcopy(old)
    new["spec"]["nodeName"] = "n"
    new["metadata"]["labels"] = {"a": "b"}
    new["status"] = {"phase": "Running"}
    KIND.prepare_for_status_update(new, old)
    assert new == {**old, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_qos_classes(resources: Json, expected: str) -> None:
    assert qos_class({"containers": [{"resources": resources}]}) == expected
