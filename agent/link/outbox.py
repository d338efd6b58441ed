"""What the node's parts report, kept until it could be sent: the `agent.reporter.Reporter` of this node.

Written by kubelet and others at any time, on the loop; emptied by `agent.link.link` while there is a session. State (the
latest status per pod, the node's) is remembered after it was sent too, and all of it is sent again when a leader speaks: the
broker's acknowledgement says nothing about the master. Events are told once, and only so many are kept.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from lightkube.models.core_v1 import Pod

from agent.link.events import Json, make_event
from proto.messages import EventReport, Message, MirrorPodReport, NodeStatusReport, PodStatusReport

#: Pods whose status is remembered, and different events that wait. Beyond it the oldest goes.
MAX_PODS = 4096
MAX_EVENTS = 1000
#: Mirror pods that are asked for at once; they are asked for again.
MAX_MIRRORS = 500

_NODE = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One message to send. `what` is its up topic's last level; `key` is the outbox's own."""

    what: str
    uid: str
    message: Message
    key: tuple[str, ...]


class Outbox:
    """See the module; implements NodeReporter."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._statuses: dict[str, PodStatusReport | NodeStatusReport] = {}
        self._unsent: dict[str, None] = {}
        self._events: dict[tuple[str, ...], Json] = {}
        self._mirrors: dict[tuple[str, str], MirrorPodReport] = {}
        self._wake = asyncio.Event()
        #: Events that were given up because too many waited.
        self.dropped_events = 0

    # ── Reporter ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def pod_status(self, pod: Pod, status: Json, *, terminated: bool = False) -> None:
        metadata = pod.metadata
        if metadata is None or not metadata.uid or not metadata.name:
            raise ValueError("a pod that was ordered has a uid and a name")
        uid = metadata.uid
        self._put(
            uid,
            PodStatusReport(
                namespace=metadata.namespace or "default",
                name=metadata.name,
                uid=uid,
                status=status,
                terminated=terminated,
            ),
        )
        if len(self._statuses) > MAX_PODS:
            oldest = next(key for key in self._statuses if key != _NODE)
            self.forget([oldest])

    def node_status(self, status: Json) -> None:
        self._put(_NODE, NodeStatusReport(status=status))

    def mirror_pod(self, namespace: str, name: str, *, manifest: Json | None, uid: str = "") -> None:
        if len(self._mirrors) < MAX_MIRRORS or (namespace, name) in self._mirrors:
            report = MirrorPodReport(namespace=namespace, name=name, object=manifest, uid=uid)
            self._mirrors[(namespace, name)] = report
            self._wake.set()

    def event(self, pod: Pod | None, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        now = datetime.now(UTC)
        event = make_event(pod, node=self._node, type_=type_, reason=reason, message=message, field_path=field_path, now=now)
        key = ("event", event["involvedObject"].get("uid", ""), field_path, type_, reason, event["message"])
        waiting = self._events.pop(key, None)
        if waiting is not None:
            event |= {"firstTimestamp": waiting["firstTimestamp"], "count": waiting["count"] + 1}
        self._events[key] = event
        if len(self._events) > MAX_EVENTS:
            del self._events[next(iter(self._events))]
            self.dropped_events += 1
        self._wake.set()

    # ── for the link ─────────────────────────────────────────────────────────────────────────────────────────────────

    def forget(self, uids: Iterable[str]) -> None:
        """These pods are gone for good: nothing more to say of them."""
        for uid in uids:
            self._statuses.pop(uid, None)
            self._unsent.pop(uid, None)

    def resend(self) -> None:
        """Everything that is remembered is to be sent again."""
        self._unsent = dict.fromkeys(self._statuses)
        if self._unsent:
            self._wake.set()

    async def wait(self) -> None:
        """Until there is something to send."""
        if not self._unsent and not self._events and not self._mirrors:
            self._wake.clear()
            await self._wake.wait()

    def reports(self, limit: int) -> list[Report]:
        """What is to be sent now, at most `limit`: statuses first. `sent` takes each off."""
        reports = [
            Report("pods" if key else "status", key, self._statuses[key], ("status", key))
            for key in list(self._unsent)[:limit]
        ]
        for (namespace, name), mirror in list(self._mirrors.items())[: limit - len(reports)]:
            reports.append(Report("mirrors", mirror.uid, mirror, ("mirror", namespace, name)))
        for key, event in list(self._events.items())[: limit - len(reports)]:
            reports.append(Report("events", key[1], EventReport(event=event), key))
        return reports

    def sent(self, report: Report) -> None:
        """The broker has it. What changed meanwhile stays to be sent."""
        kind, key, *_ = report.key
        if kind == "status":
            if self._statuses.get(key) is report.message:
                self._unsent.pop(key, None)
        elif kind == "mirror":
            place = (report.key[1], report.key[2])
            if self._mirrors.get(place) is report.message:
                del self._mirrors[place]
        elif isinstance(report.message, EventReport) and (waiting := self._events.get(report.key)) is not None:
            more = waiting["count"] - report.message.event["count"]
            if more > 0:
                self._events[report.key] = waiting | {"count": more}
            else:
                del self._events[report.key]

    @property
    def node_problem(self) -> str:
        """What the node's Ready condition says is wrong, as reported last; "" when it is True."""
        report = self._statuses.get(_NODE)
        conditions = report.status.get("conditions", []) if report is not None else []
        for condition in conditions:
            if condition.get("type") == "Ready":
                return "" if condition.get("status") == "True" else str(condition.get("message") or "not ready")
        return "the node's status is not known yet"

    @property
    def waiting(self) -> int:
        return len(self._unsent) + len(self._events) + len(self._mirrors)

    def _put(self, key: str, report: PodStatusReport | NodeStatusReport) -> None:
        if self._statuses.get(key) == report:
            return
        self._statuses[key] = report
        self._unsent[key] = None
        self._wake.set()
