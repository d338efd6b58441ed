"""The outbox: latest state per pod, events bounded and counted, all of it again when a leader speaks."""

import asyncio

import pytest
from lightkube.models.core_v1 import Pod
from lightkube.models.meta_v1 import ObjectMeta

from agent.link.outbox import MAX_EVENTS, MAX_PODS, Outbox
from agent.reporter import Reporter
from proto.messages import EventReport, NodeStatusReport, PodStatusReport


def pod(uid: str) -> Pod:
    return Pod(metadata=ObjectMeta(name=f"name-{uid}", namespace="ns", uid=uid, resourceVersion="7"))


@pytest.fixture
def outbox() -> Outbox:
    return Outbox("n1")


def test_it_is_a_reporter(outbox: Outbox) -> None:
    reporter: Reporter = outbox
    reporter.node_status({"phase": "x"})
    assert [report.message for report in outbox.reports(10)] == [NodeStatusReport(status={"phase": "x"})]


def test_latest_status_wins_and_an_unchanged_one_is_not_sent_again(outbox: Outbox) -> None:
    outbox.pod_status(pod("a"), {"phase": "Pending"})
    outbox.pod_status(pod("a"), {"phase": "Running"})
    (report,) = outbox.reports(10)
    assert report.what == "pods"
    assert report.message == PodStatusReport(namespace="ns", name="name-a", uid="a", status={"phase": "Running"})
    outbox.sent(report)
    outbox.pod_status(pod("a"), {"phase": "Running"})
    assert outbox.reports(10) == []


def test_what_changed_while_it_was_sent_is_sent_too(outbox: Outbox) -> None:
    outbox.pod_status(pod("a"), {"phase": "Pending"})
    (report,) = outbox.reports(10)
    outbox.pod_status(pod("a"), {"phase": "Running"}, terminated=True)
    outbox.sent(report)
    (again,) = outbox.reports(10)
    assert isinstance(again.message, PodStatusReport)
    assert again.message.terminated


def test_everything_is_sent_again_but_what_is_gone(outbox: Outbox) -> None:
    outbox.node_status({})
    for uid in ("a", "b"):
        outbox.pod_status(pod(uid), {})
    for report in outbox.reports(10):
        outbox.sent(report)
    outbox.forget(["a"])
    outbox.resend()
    assert [report.uid for report in outbox.reports(10)] == ["", "b"]


def test_events_are_told_once_equal_ones_counted_and_only_so_many_kept(outbox: Outbox) -> None:
    for _ in range(3):
        outbox.event(pod("a"), "Warning", "BackOff", "Back-off restarting", field_path="spec.containers{c}")
    (report,) = outbox.reports(10)
    assert isinstance(report.message, EventReport)
    event = report.message.event
    assert event["count"] == 3
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "ns",
        "name": "name-a",
        "uid": "a",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{c}",
    }
    assert event["metadata"] == {"namespace": "ns"}
    outbox.sent(report)
    outbox.resend()
    assert outbox.reports(10) == []
    for number in range(MAX_EVENTS + 7):
        outbox.event(None, "Normal", "R", str(number))
    assert outbox.waiting == MAX_EVENTS
    assert outbox.dropped_events == 7


def test_an_equal_event_while_one_is_on_its_way_is_not_lost(outbox: Outbox) -> None:
    outbox.event(None, "Normal", "R", "m")
    (report,) = outbox.reports(10)
    outbox.event(None, "Normal", "R", "m")
    outbox.sent(report)
    (again,) = outbox.reports(10)
    assert isinstance(again.message, EventReport)
    assert again.message.event["count"] == 1


def test_long_messages_are_cut_as_kubernetes_cuts_them(outbox: Outbox) -> None:
    outbox.event(None, "Normal", "R", "m" * 5000)
    message = outbox.reports(1)[0].message
    assert isinstance(message, EventReport)
    assert len(message.event["message"]) == 1024


def test_statuses_are_bounded_and_the_nodes_own_stays(outbox: Outbox) -> None:
    outbox.node_status({"own": True})
    for number in range(MAX_PODS + 10):
        outbox.pod_status(pod(str(number)), {})
    assert outbox.waiting == MAX_PODS
    assert outbox.reports(1)[0].what == "status"


async def test_waiting_ends_when_something_comes(outbox: Outbox) -> None:
    async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(outbox.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.event(None, "Normal", "R", "m")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Outbox("n").wait(), 0.01)
