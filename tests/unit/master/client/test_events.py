"""Events as they are correlated and written."""

import asyncio
from typing import Any, cast

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event, Node, Pod

from master.client import events as events_module
from master.client.errors import StatusError, not_found
from master.client.events import EventRecorder
from master.client.protocol import Client

POD = Pod(metadata=ObjectMeta(name="a", namespace="ns", uid="u1", resourceVersion="7"))


class Written:
    """The create and patch of `Client` that a recorder uses."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.order: list[Event] = []
        self.errors: list[StatusError] = []

    async def create(self, obj: Event) -> Event:
        if self.errors:
            raise self.errors.pop(0)
        assert obj.metadata is not None
        assert obj.metadata.name is not None
        self.events[obj.metadata.name] = obj
        self.order.append(obj)
        return obj

    async def patch(self, kind: type[Event], name: str, namespace: str, patch: dict[str, Any]) -> Event:
        if name not in self.events:
            raise not_found("events", "", name)
        self.events[name].count = patch["count"]
        self.events[name].message = patch["message"]
        return self.events[name]


async def record(written: Written, *events: tuple[Any, str, str], component: str = "test") -> EventRecorder:
    recorder = EventRecorder(cast(Client, written), component)
    for obj, reason, message in events:
        recorder.event(obj, "Normal", reason, message)
    await drained(recorder)
    return recorder


async def drained(recorder: EventRecorder) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(recorder.run())
        await asyncio.sleep(0.03)
        running.cancel()


async def test_an_event_names_its_object_and_source() -> None:
    written = Written()
    await record(written, (POD, "Scheduled", "to n1"))
    (event,) = written.order
    assert event.metadata is not None
    assert event.metadata.namespace == "ns"
    involved = event.involvedObject
    assert (involved.kind, involved.apiVersion, involved.name, involved.uid) == ("Pod", "v1", "a", "u1")
    assert (event.type, event.reason, event.message, event.count) == ("Normal", "Scheduled", "to n1", 1)
    assert event.source is not None
    assert (event.source.component, event.reportingComponent) == ("test", "test")


async def test_events_of_a_cluster_scoped_object_lie_in_default() -> None:
    written = Written()
    await record(written, (Node(metadata=ObjectMeta(name="n1", uid="u")), "NodeNotReady", "no heartbeat"))
    assert written.order[0].metadata is not None
    assert written.order[0].metadata.namespace == "default"


async def test_the_same_event_again_is_counted() -> None:
    written = Written()
    recorder = await record(written, *[(POD, "BackOff", "waits")] * 3, (POD, "BackOff", "other"))
    assert [(event.message, event.count) for event in written.order] == [("waits", 3), ("other", 1)]
    written.events.clear()
    recorder.event(POD, "Normal", "BackOff", "waits")
    await drained(recorder)
    assert written.order[-1].count == 1, "one that expired is written anew"


async def test_many_that_differ_in_their_message_are_combined() -> None:
    written = Written()
    await record(written, *[(POD, "Failed", f"try {n}") for n in range(14)])
    assert len(written.order) == 10
    assert written.order[-1].message == "(combined from similar events): try 13"
    assert written.order[-1].count == 5


async def test_an_object_that_floods_is_cut_off_and_others_are_not() -> None:
    written = Written()
    other = Pod(metadata=ObjectMeta(name="b", namespace="ns", uid="u2"))
    await record(written, *[(POD, f"Reason{n}", "x") for n in range(40)], (other, "Fine", "y"))
    assert [event.involvedObject.name for event in written.order].count("a") == 25
    assert "Fine" in {event.reason for event in written.order}


async def test_recording_never_blocks_nor_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "_RETRY_SECONDS", 0.001)
    written = Written()
    recorder = EventRecorder(cast(Client, written), "test")
    for n in range(3_000):
        recorder.event(POD, "Normal", f"R{n}", "x" * 5_000)
    await drained(recorder)
    assert all(len(event.message or "") == 1_024 for event in written.order)
    written.errors = [StatusError(500, "InternalError", "x"), StatusError(503, "ServiceUnavailable", "x")]
    await record(written, (Node(metadata=ObjectMeta(name="late")), "Late", "came through"))
    assert written.order[-1].reason == "Late"
    written.errors = [StatusError(403, "Forbidden", "terminating")]
    await record(written, (POD, "Refused", "x"), (POD, "Next", "x"))
    assert written.order[-1].reason == "Next"
