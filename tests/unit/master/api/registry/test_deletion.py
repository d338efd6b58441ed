"""What a DELETE does, by kind, grace, finalizers and propagation."""

from datetime import UTC, datetime
from typing import Any

from master.api.kinds.kind import Kind
from master.api.registry.deletion import Marked, Pending, Removed, begin, is_complete
from master.client.protocol import DeleteOptions

Json = dict[str, Any]
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
POD = Kind(group="", version="v1", kind="Pod", plural="pods", singular="pod", definition="d")
CONFIG_MAP = Kind(group="", version="v1", kind="ConfigMap", plural="configmaps", singular="configmap", definition="d")
NAMESPACE = Kind(
    group="", version="v1", kind="Namespace", plural="namespaces", singular="namespace", definition="d", namespaced=False
)


def obj(spec: Json | None = None, status: Json | None = None, **metadata: Any) -> Json:
    return {
        "metadata": {"name": "x", "uid": "u", "resourceVersion": "1", **metadata},
        "spec": spec or {},
        "status": status or {},
    }


def marked(outcome: object) -> Json:
    assert isinstance(outcome, Marked)
    return outcome.obj


def test_an_object_without_finalizers_goes_at_once() -> None:
    assert begin(CONFIG_MAP, obj(), DeleteOptions(), NOW) == Removed()


def test_a_running_pod_gets_its_own_grace() -> None:
    got = marked(begin(POD, obj({"nodeName": "n", "terminationGracePeriodSeconds": 7}, generation=1), DeleteOptions(), NOW))
    assert got["metadata"]["deletionTimestamp"] == "2026-01-01T12:00:07Z"
    assert got["metadata"]["deletionGracePeriodSeconds"] == 7
    assert got["metadata"]["generation"] == 2
    assert not is_complete(POD, got)


def test_a_pod_that_runs_nowhere_goes_at_once() -> None:
    assert begin(POD, obj({}), DeleteOptions(), NOW) == Removed()
    assert begin(POD, obj({"nodeName": "n"}, {"phase": "Succeeded"}), DeleteOptions(), NOW) == Removed()


def test_grace_zero_removes_a_running_pod() -> None:
    assert begin(POD, obj({"nodeName": "n"}), DeleteOptions(grace_period_seconds=0), NOW) == Removed()


def test_a_second_delete_shortens_the_grace_but_never_lengthens_it() -> None:
    first = marked(begin(POD, obj({"nodeName": "n"}), DeleteOptions(), NOW))
    assert begin(POD, first, DeleteOptions(), NOW) == Pending()
    assert begin(POD, first, DeleteOptions(grace_period_seconds=60), NOW) == Pending()
    shorter = marked(begin(POD, first, DeleteOptions(grace_period_seconds=5), NOW))
    assert shorter["metadata"]["deletionTimestamp"] == "2026-01-01T12:00:05Z"
    assert begin(POD, shorter, DeleteOptions(grace_period_seconds=0), NOW) == Removed()


def test_a_finalizer_keeps_an_object_until_it_is_taken_away() -> None:
    got = marked(begin(CONFIG_MAP, obj(finalizers=["a.io/b"]), DeleteOptions(), NOW))
    assert got["metadata"]["deletionTimestamp"] == "2026-01-01T12:00:00Z"
    assert not is_complete(CONFIG_MAP, got)
    assert begin(CONFIG_MAP, got, DeleteOptions(), NOW) == Pending()
    del got["metadata"]["finalizers"]
    assert is_complete(CONFIG_MAP, got)


def test_propagation_is_a_finalizer_of_the_garbage_collector() -> None:
    foreground = marked(begin(CONFIG_MAP, obj(), DeleteOptions(propagation_policy="Foreground"), NOW))
    assert foreground["metadata"]["finalizers"] == ["foregroundDeletion"]
    orphan = marked(begin(CONFIG_MAP, obj(), DeleteOptions(propagation_policy="Orphan"), NOW))
    assert orphan["metadata"]["finalizers"] == ["orphan"]
    assert begin(CONFIG_MAP, foreground, DeleteOptions(propagation_policy="Background"), NOW) == Removed()


def test_a_namespace_is_terminating_until_it_is_finalized() -> None:
    got = marked(begin(NAMESPACE, obj({"finalizers": ["kubernetes"]}), DeleteOptions(), NOW))
    assert got["status"]["phase"] == "Terminating"
    assert not is_complete(NAMESPACE, got)
    got["spec"] = {}
    assert is_complete(NAMESPACE, got)


def test_the_old_object_is_never_changed() -> None:
    old = obj({"nodeName": "n"})
    begin(POD, old, DeleteOptions(propagation_policy="Foreground"), NOW)
    assert old == obj({"nodeName": "n"})
