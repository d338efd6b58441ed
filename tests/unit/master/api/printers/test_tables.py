"""Tables, ages and the rows of the other kinds."""

from datetime import UTC, datetime
from typing import Any

import pytest

from master.api.kinds import deployment, endpoint_slice, endpoints, event, node, replica_set, service
from master.api.kinds.kind import Kind
from master.api.printers.cells import selector_cell
from master.api.printers.duration import human_duration, since
from master.api.printers.table import table

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CREATED = {"name": "x", "creationTimestamp": "2026-01-01T11:59:00Z"}
Json = dict[str, Any]


def cells(kind: Kind, body: Json) -> list[Any]:
    rows = table(kind, [{"metadata": CREATED, **body}], now=NOW)["rows"]
    result: list[Any] = rows[0]["cells"]
    return result


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"), (-1, "0s"), (0, "0s"), (1.9, "1s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (599, "9m59s"),
        (600, "10m"), (10799, "179m"), (10800, "3h"), (11100, "3h5m"), (28800, "8h"), (172799, "47h"), (172800, "2d"),
        (180000, "2d2h"), (691200, "8d"), (63071999, "729d"), (63072000, "2y"), (65000000, "2y22d"), (252288000, "8y"),
    ],
)  # fmt: skip
def test_durations_are_human(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_an_unset_time_is_unknown() -> None:
    assert since(None, NOW) == "<unknown>"
    assert since("nonsense", NOW) == "<unknown>"


def test_a_table_has_columns_and_rows_with_metadata() -> None:
    obj = {"apiVersion": "v1", "kind": "Node", "metadata": CREATED}
    made = table(node.KIND, [obj], now=NOW)
    assert (made["kind"], made["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in made["columnDefinitions"]][:4] == ["Name", "Status", "Roles", "Age"]
    assert {column["priority"] for column in made["columnDefinitions"]} == {0, 1}
    (row,) = made["rows"]
    assert len(row["cells"]) == len(made["columnDefinitions"])
    assert row["object"] == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": CREATED}
    assert table(node.KIND, [obj], include_object="Object", now=NOW)["rows"][0]["object"] is obj
    assert "object" not in table(node.KIND, [obj], include_object="None", now=NOW)["rows"][0]


def test_nodes() -> None:
    body = {
        "metadata": {**CREATED, "labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/edge": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "nodeInfo": {"kubeletVersion": "v1", "osImage": "Debian"},
        },
    }
    assert cells(node.KIND, body) == [
        "x", "Ready,SchedulingDisabled", "edge,worker", "60s", "v1", "192.0.2.1", "<none>", "Debian", "<unknown>", "<unknown>",
    ]  # fmt: skip
    assert cells(node.KIND, {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})[1] == "NotReady"
    assert cells(node.KIND, {})[1:3] == ["Unknown", "<none>"]


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        (
            {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "protocol": "TCP"}]},
            {},
            ["ClusterIP", "10.0.0.1", "<none>", "80/TCP"],
        ),
        (
            {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]},
            {},
            ["NodePort", "10.0.0.1", "<none>", "80:30080/TCP"],
        ),
        ({"type": "ClusterIP", "clusterIP": "None"}, {}, ["ClusterIP", "None", "<none>", "<none>"]),
        ({"type": "ExternalName", "externalName": "a.example"}, {}, ["ExternalName", "<none>", "a.example", "<none>"]),
        ({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}, {}, ["LoadBalancer", "10.0.0.1", "<pending>", "<none>"]),
        (
            {"type": "LoadBalancer", "clusterIP": "10.0.0.1"},
            {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}},
            ["LoadBalancer", "10.0.0.1", "192.0.2.9", "<none>"],
        ),
    ],
)
def test_services(spec: Json, status: Json, expected: list[str]) -> None:
    assert cells(service.KIND, {"spec": spec, "status": status})[1:5] == expected


def test_endpoints_show_three_and_count_the_rest() -> None:
    addresses = [{"ip": f"10.0.0.{n}"} for n in range(1, 6)]
    body = {"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]}
    assert cells(endpoints.KIND, body)[1] == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."
    assert cells(endpoints.KIND, {})[1] == "<none>"


def test_endpoint_slices() -> None:
    body = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]}
    assert cells(endpoint_slice.KIND, body)[1:4] == ["IPv4", "80", "10.0.0.1"]
    assert cells(endpoint_slice.KIND, {"addressType": "IPv4"})[2:4] == ["<unset>", "<unset>"]


def test_workloads() -> None:
    spec = {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "w"}},
        "template": {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}},
    }
    status = {"replicas": 3, "readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2}
    body = {"spec": spec, "status": status}
    assert cells(deployment.KIND, body)[1:] == ["2/3", "1", "2", "60s", "a,b", "i:1,j:2", "app=w"]
    assert cells(replica_set.KIND, body)[1:4] == [3, 3, 2]


def test_selectors_are_shown_as_they_are_typed() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["y", "x"]},
        {"key": "b", "operator": "Exists"},
        {"key": "c", "operator": "DoesNotExist"},
    ]
    assert selector_cell({"matchExpressions": expressions, "matchLabels": {"z": "1"}}) == "a in (x,y),b,!c,z=1"
    assert selector_cell({}) == "<none>"


def test_events_show_when_they_were_last_seen() -> None:
    body = {
        "involvedObject": {"kind": "Pod", "name": "p"},
        "type": "Warning",
        "reason": "BackOff",
        "message": "Back-off restarting\n",
        "firstTimestamp": "2026-01-01T11:00:00Z",
        "lastTimestamp": "2026-01-01T11:59:30Z",
        "count": 4,
        "source": {"component": "kubelet", "host": "n"},
    }
    assert cells(event.KIND, body) == [
        "30s", "Warning", "BackOff", "pod/p", "", "kubelet, n", "Back-off restarting", "60m", "4", "x",
    ]  # fmt: skip
    series = {"eventTime": "2026-01-01T11:00:00.000000Z", "series": {"count": 7, "lastObservedTime": "2026-01-01T11:59:55Z"}}
    assert cells(event.KIND, series)[0] == "5s"
    assert cells(event.KIND, {"eventTime": "2026-01-01T11:59:00.000000Z"})[0] == "60s"
