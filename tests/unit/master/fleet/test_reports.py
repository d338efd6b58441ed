from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from lightkube.models.core_v1 import NodeStatus, PodStatus

from master.fleet.reports import HEARTBEAT_EVERY, node_status, pod_status
from proto.envelope import MalformedMessage

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LATER = "2026-02-01T00:00:00Z"


def _pod(**fields: object) -> PodStatus:
    return msgspec.convert(fields, PodStatus)


def _condition(type_: str, status: str, at: str = "2026-01-01T00:00:00Z") -> dict[str, str]:
    return {"type": type_, "status": status, "lastTransitionTime": at}


def test_a_status_that_says_nothing_new_is_not_written() -> None:
    present = _pod(phase="Running", conditions=[_condition("Ready", "True")])
    assert pod_status({"phase": "Running", "conditions": [_condition("Ready", "True", _LATER)]}, present) is None


def test_conditions_of_others_stay_and_the_nodes_own_follow_it() -> None:
    present = _pod(conditions=[_condition("DisruptionTarget", "True"), _condition("Initialized", "True")])
    status = pod_status({"phase": "Running", "conditions": [_condition("Ready", "True", _LATER)]}, present)
    assert status is not None
    assert {one.type for one in status.conditions or ()} == {"DisruptionTarget", "Ready"}


def test_a_transition_takes_the_reported_time() -> None:
    present = _pod(conditions=[_condition("Ready", "False")])
    status = pod_status({"conditions": [_condition("Ready", "True", _LATER)]}, present)
    assert status is not None
    assert (status.conditions or [])[0].lastTransitionTime == datetime(2026, 2, 1, tzinfo=UTC)


def test_the_first_start_time_and_the_qos_class_hold() -> None:
    present = _pod(startTime="2026-01-01T00:00:00Z", qosClass="Guaranteed")
    status = pod_status({"phase": "Running", "startTime": _LATER}, present)
    assert status is not None
    assert (status.startTime, status.qosClass) == (_NOW, "Guaranteed")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_pod_does_not_come_back(phase: str) -> None:
    assert pod_status({"phase": "Running"}, _pod(phase=phase)) is None


@pytest.mark.parametrize("status", [{"phase": 7}, {"conditions": "all good"}, {"containerStatuses": [{"restartCount": "x"}]}])
def test_a_status_of_a_wrong_shape_is_malformed(status: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        pod_status(status, None)


def _node(**fields: object) -> NodeStatus:
    return msgspec.convert(fields, NodeStatus)


def test_a_nodes_conditions_are_merged_by_type() -> None:
    present = _node(conditions=[_condition("Ready", "Unknown"), _condition("NetworkUnavailable", "False")])
    status = node_status({"conditions": [{"type": "Ready", "status": "True"}]}, present, _NOW)
    assert status is not None
    ready, network = status.conditions or []
    assert (ready.type, ready.status, ready.lastTransitionTime) == ("Ready", "True", _NOW)
    assert network.type == "NetworkUnavailable"


def test_extended_resources_that_others_wrote_stay_and_may_be_used() -> None:
    said = {"capacity": {"cpu": "4", "example.com/own": "1"}, "allocatable": {"cpu": "3", "example.com/own": "1"}}
    present = _node(
        capacity={"cpu": "2", "example.com/dongle": "4", "example.com/own": "2", "hugepages-2Mi": "0"},
        allocatable={"cpu": "1"},
    )
    status = node_status(said, present, _NOW)
    assert status is not None
    assert status.capacity == {"cpu": "4", "example.com/own": "1", "example.com/dongle": "4"}
    assert status.allocatable == {"cpu": "3", "example.com/own": "1", "example.com/dongle": "4"}


def test_a_node_that_repeats_itself_is_written_every_few_minutes() -> None:
    said = {"capacity": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "True"}]}
    first = node_status(said, None, _NOW)
    assert first is not None
    assert node_status(said, first, _NOW + timedelta(seconds=10)) is None
    again = node_status(said, first, _NOW + HEARTBEAT_EVERY + timedelta(seconds=1))
    assert again is not None
    assert (again.conditions or [])[0].lastTransitionTime == _NOW
