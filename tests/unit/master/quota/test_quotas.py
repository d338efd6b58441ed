"""What objects use: sums, pods as a whole, and quotas counted anew."""

from typing import Any

import pytest

from master.quota.pod_resources import pod_limits, pod_requests
from master.quota.pods import Pods
from master.quota.quantities import added, equal, exceeding, grown
from master.quota.quotas import Count
from master.quota.registry import counted

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1Gi", "512Mi", "1536Mi"),
        ("0", "512Mi", "512Mi"),
        ("500m", "500m", "1"),
        ("1", "1500m", "2500m"),
        ("1k", "24", "1024"),
        ("1", "1Gi", "1073741825"),
        ("0", "0", "0"),
    ],
)
def test_sums_keep_the_form_of_their_first_part(one: str, other: str, expected: str) -> None:
    assert added({"x": one}, {"x": other}) == {"x": expected}


def test_growth_and_excess() -> None:
    assert grown({"a": "3", "b": "1", "c": "1"}, {"a": "1", "b": "2"}) == {"a": "2", "c": "1"}
    assert exceeding({"a": "2", "b": "1", "c": "9"}, {"a": "1500m", "b": "1"}) == ["a"]
    assert equal({"a": "1000m"}, {"a": "1"})
    assert not equal({"a": "1"}, {})


def container(cpu: str, **fields: Any) -> Json:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}, **fields}


def test_a_pod_requests_its_containers_or_its_largest_init_container_and_overhead() -> None:
    sidecar = container("100m", restartPolicy="Always")
    spec = {"containers": [container("1"), container("1")], "initContainers": [sidecar, container("3")]}
    assert pod_requests(spec) == {"cpu": "3100m"}
    assert pod_requests({**spec, "initContainers": [sidecar], "overhead": {"cpu": "50m"}}) == {"cpu": "2150m"}
    assert pod_limits({"containers": [{"name": "c"}], "overhead": {"cpu": "50m"}}) == {}


def test_a_finished_pod_counts_as_an_object_only() -> None:
    done = {"metadata": {}, "spec": {"containers": [container("1")]}, "status": {"phase": "Succeeded"}}
    assert Pods().usage(done) == {"count/pods": "1"}
    leaving = {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}}
    assert Pods().usage(leaving) == {"count/pods": "1"}


def test_extended_resources_and_huge_pages_are_requested() -> None:
    resources = {"requests": {"example.com/gpu": "2", "hugepages-2Mi": "4Mi"}, "limits": {"example.com/gpu": "2"}}
    obj = {"metadata": {}, "spec": {"containers": [{"name": "c", "resources": resources}]}}
    used = Pods().usage(obj)
    assert (used["requests.example.com/gpu"], used["hugepages-2Mi"], used["requests.hugepages-2Mi"]) == ("2", "4Mi", "4Mi")
    assert Pods().names({"requests.example.com/gpu", "requests.hugepages-2Mi", "count/x"}) == {
        "requests.example.com/gpu",
        "requests.hugepages-2Mi",
    }


def test_which_kinds_a_quota_asks_for() -> None:
    assert counted({"limits.cpu"}) == {("", "pods")}
    assert counted({"requests.storage", "services.nodeports"}) == {("", "persistentvolumeclaims"), ("", "services")}
    assert counted({"count/widgets.example.com", "secrets", "count/configmaps"}) == {
        ("example.com", "widgets"),
        ("", "secrets"),
        ("", "configmaps"),
    }
    assert counted({"count/events"}) == set()


def usage(quota: Json, objects: dict[tuple[str, str], list[Json]]) -> dict[str, str]:
    count = Count(quota)
    for (group, plural), found in objects.items():
        count.add(group, plural, found)
    return count.result()


def test_a_quota_is_counted_anew_from_its_objects() -> None:
    pod = {"metadata": {}, "spec": {"containers": [container("200m")]}}
    hard = {"pods": "5", "requests.cpu": "1", "secrets": "3", "limits.memory": "1Gi"}
    quota: Json = {"metadata": {"name": "q"}, "spec": {"hard": hard}}
    assert usage(quota, {("", "pods"): [pod, pod], ("", "secrets"): [{}]}) == {
        "pods": "2",
        "requests.cpu": "400m",
        "secrets": "1",
        "limits.memory": "0",
    }
    quota["spec"]["scopes"] = ["NotBestEffort"]
    assert usage(quota, {("", "pods"): [pod], ("", "secrets"): [{}]})["secrets"] == "0"
