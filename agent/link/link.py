"""Keeps the node in touch with the master: connect, hello, take in orders, heartbeats, reports; and again when it breaks.

Run by `agent.app` as one of its root tasks. Everything that must outlive a session (orders, reports, used stream ids) lives
in the receiver and the outbox; a session is thrown away whole.

    connect ─► subscribe ─► hello ─► orders come (retained ones at once, the master's answer after) ─► lost ─► wait ─► connect
                              ▲
                              └── also when a leader speaks, and when an index lists what we do not have

It decides nothing about pods: losing the session changes no desired state.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from agent.desired import DesiredState
from agent.link.outbox import Outbox, Report
from agent.link.receiver import NodeIdentity, Outcome, Receiver
from agent.link.rejections import Rejections
from agent.link.streams import StreamHandler, StreamIds, Streams
from proto.delivery import Delivery
from proto.messages import Heartbeat, Hello, Message, Offline, encode
from proto.mqtt_session import BrokerEndpoint, Session, SessionLimits, SessionLost, Will, connect
from proto.version import VERSION

_LOG = logging.getLogger(__name__)

#: Seconds that the broker waits before it publishes the Last Will.
WILL_DELAY_SECONDS = 2
SESSION_LIMITS = SessionLimits(keepalive_seconds=10, exchange_seconds=10.0, inbox_messages=32_768, batch_messages=256)
#: Reconnects wait a random time up to a bound that doubles from the first to the second of these (seconds).
BACKOFF_FIRST, BACKOFF_LAST = 0.5, 8.0
#: A session that lasted so long (seconds) makes the next reconnect start at the first bound again.
STEADY_SECONDS = 30.0
#: Seconds after connecting in which retained orders come: the first hello then names them, and one hello is enough.
HELLO_DELAY = 0.1
#: Least seconds between two hellos.
HELLO_SPACING = 1.0
#: Seconds after an index that lists what we lack until we ask for it, doubling up to the second while it does not come.
ASK_FIRST, ASK_LAST = 2.0, 300.0
#: Seconds between two tries to save what the disk refused, doubling up to the second.
RETRY_FIRST, RETRY_LAST = 1.0, 8.0
#: Seconds after which all statuses are sent again though nothing changed: the master may have missed one.
RESYNC_SECONDS = 600.0
#: Orders that wait for the receiver. Beyond it they are dropped and asked for again.
MAILBOX_MESSAGES = 32_768
#: Orders that the receiver is given at once: it verifies their signatures in one go.
ORDERS_AT_ONCE = 64
#: Reports that are on their way to the broker at once.
REPORTS_AT_ONCE = 16
#: Bounds of what a master may order as the heartbeat's period, in seconds.
HEARTBEAT_LEAST, HEARTBEAT_MOST = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class LinkParts:
    """What the link connects. `node_object` tells the Node as the kubelet knows it; `boot_id` is the kernel's."""

    identity: NodeIdentity
    broker: BrokerEndpoint
    receiver: Receiver
    outbox: Outbox
    desired: DesiredState
    rejections: Rejections
    node_object: Callable[[], Awaitable[dict[str, Any]]]
    handle_stream: StreamHandler
    sealing_public_key: bytes
    boot_id: str


class Link:
    """See the module."""

    def __init__(self, parts: LinkParts, *, registry: CollectorRegistry) -> None:
        self._parts = parts
        self._stream_ids = StreamIds()
        self._mailbox: deque[Delivery] = deque()
        self._mail = asyncio.Event()
        self._greet = asyncio.Event()
        self._lacking = asyncio.Event()
        self._sequence = 0
        #: Why there is no session, or "" while there is one: for readiness.
        self.problem = "not connected to the broker yet"
        self._connected = Gauge("wherry_agent_link_connected", "1 while the node has a session", registry=registry)
        self._lost = Counter("wherry_agent_link_lost", "Sessions lost and connects that failed", registry=registry)
        waiting = Gauge("wherry_agent_outbox_waiting", "Reports that wait for the broker", registry=registry)
        waiting.set_function(lambda: parts.outbox.waiting)
        unsaved = Gauge("wherry_agent_orders_unsaved", "Orders that the disk refused so far", registry=registry)
        unsaved.set_function(lambda: parts.receiver.unsaved)

    async def run(self) -> None:
        """Until cancelled; then says goodbye in order when there is a session.

        Orders are taken in beside the sessions: a session that is lost must not cut the receiver off half-way, and what the
        disk refused is tried again without one too.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take_orders(), name="link orders")
            tasks.create_task(self._keep_connected(), name="link sessions")

    async def _keep_connected(self) -> None:
        bound = BACKOFF_FIRST
        while True:
            started = time.monotonic()
            try:
                await self._session()
            except* SessionLost as lost:
                self._note_lost(lost)
            if time.monotonic() - started > STEADY_SECONDS:
                bound = BACKOFF_FIRST
            await asyncio.sleep(random.uniform(bound / 4, bound))
            bound = min(bound * 2, BACKOFF_LAST)

    # ── one session ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _session(self) -> None:
        """Raises SessionLost, alone or in a group."""
        parts, identity = self._parts, self._parts.identity
        will = Will(self._up("offline"), self._pack(Offline()), WILL_DELAY_SECONDS)
        filters = [identity.topics.shared_filter, identity.topics.node_filter(identity.name)]
        async with connect(parts.broker, filters=filters, limits=SESSION_LIMITS, will=will) as session:
            _LOG.info("connected to the broker", extra={"broker": f"{parts.broker.host}:{parts.broker.port}"})
            self.problem = ""
            self._connected.set(1)
            self._greet.set()
            parts.outbox.resend()
            try:
                async with (
                    Streams(
                        session,
                        topics=identity.topics,
                        node=identity.name,
                        verifier=identity.verifier,
                        handler=parts.handle_stream,
                        ids=self._stream_ids,
                        rejections=parts.rejections,
                    ) as streams,
                    asyncio.TaskGroup() as tasks,
                ):
                    tasks.create_task(self._receive(session, streams), name="link receive")
                    tasks.create_task(self._say_hello(session), name="link hello")
                    tasks.create_task(self._ask(), name="link ask")
                    tasks.create_task(self._send_reports(session), name="link reports")
                    tasks.create_task(self._resync(), name="link resync")
                    tasks.create_task(self._beat(session), name="link heartbeat")
            except asyncio.CancelledError:
                await self._say_goodbye(session)
                raise
            finally:
                self._connected.set(0)

    async def _receive(self, session: Session, streams: Streams) -> None:
        while True:
            for delivery in await session.receive():
                if streams.owns(delivery.topic):
                    await streams.deliver(delivery)
                elif len(self._mailbox) < MAILBOX_MESSAGES:
                    self._mailbox.append(delivery)
                else:
                    self._overflowed(delivery.topic)
            if session.take_overflow():
                self._overflowed("")
            self._mail.set()

    def _overflowed(self, topic: str) -> None:
        self._parts.rejections.note("overflow", topic, "orders come faster than they can be taken in")
        self._greet.set()

    async def _take_orders(self) -> None:
        receiver = self._parts.receiver
        retry_after = RETRY_FIRST
        while True:
            if not self._mailbox:
                self._mail.clear()
                try:
                    async with asyncio.timeout(retry_after if receiver.unsaved else None):
                        await self._mail.wait()
                except TimeoutError:
                    self._heed(await receiver.retry())
                    retry_after = min(retry_after * 2, RETRY_LAST) if receiver.unsaved else RETRY_FIRST
                    continue
            batch = [self._mailbox.popleft() for _ in range(min(ORDERS_AT_ONCE, len(self._mailbox)))]
            self._heed(await receiver.receive(batch))

    def _heed(self, outcome: Outcome) -> None:
        self._parts.outbox.forget(outcome.gone_pods)
        if outcome.leader_spoke:
            self._parts.outbox.resend()
            self._greet.set()
        if outcome.indexed:
            self._lacking.set()

    async def _ask(self) -> None:
        """Ask for what an index lists and we lack: by another hello, after time for it to come by itself."""
        while True:
            await self._lacking.wait()
            self._lacking.clear()
            pause = ASK_FIRST
            await asyncio.sleep(pause)
            while missing := self._parts.receiver.missing():
                _LOG.info("asking the master for orders that an index lists", extra={"missing": len(missing)})
                self._greet.set()
                pause = min(pause * 2, ASK_LAST)
                try:
                    async with asyncio.timeout(pause):
                        await self._lacking.wait()
                except TimeoutError:
                    continue
                self._lacking.clear()
                await asyncio.sleep(ASK_FIRST)

    async def _say_hello(self, session: Session) -> None:
        parts = self._parts
        await asyncio.sleep(HELLO_DELAY)
        while True:
            await self._greet.wait()
            self._greet.clear()
            hello = Hello(
                node=await parts.node_object(),
                sealing_key=parts.sealing_public_key,
                boot_id=parts.boot_id,
                agent_version=VERSION,
                inventory=parts.receiver.inventory(),
                run=self._stream_ids.run,
            )
            await session.publish(self._up("hello"), self._pack(hello))
            await asyncio.sleep(HELLO_SPACING)

    async def _beat(self, session: Session) -> None:
        while True:
            self._sequence += 1
            beat = Heartbeat(sequence=self._sequence, run=self._stream_ids.run)
            await session.publish(self._up("heartbeat"), self._pack(beat), assured=False)
            order = self._parts.desired.node
            period = order.heartbeat_seconds if order else 4.0
            await asyncio.sleep(min(max(period, HEARTBEAT_LEAST), HEARTBEAT_MOST))

    async def _send_reports(self, session: Session) -> None:
        outbox = self._parts.outbox
        while True:
            await outbox.wait()
            async with asyncio.TaskGroup() as sending:
                for report in outbox.reports(REPORTS_AT_ONCE):
                    sending.create_task(self._send_report(session, report))

    async def _send_report(self, session: Session, report: Report) -> None:
        await session.publish(self._up(report.what), self._pack(report.message, uid=report.uid))
        self._parts.outbox.sent(report)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(random.uniform(RESYNC_SECONDS / 2, RESYNC_SECONDS))
            self._parts.outbox.resend()

    async def _say_goodbye(self, session: Session) -> None:
        try:
            async with asyncio.timeout(2.0):
                await session.publish(self._up("offline"), self._pack(Offline(orderly=True)))
        except (SessionLost, TimeoutError):
            _LOG.debug("could not say goodbye: the broker is out of reach")

    # ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _up(self, what: str) -> str:
        identity = self._parts.identity
        return identity.topics.up(identity.name, what)

    def _pack(self, message: Message, uid: str = "") -> bytes:
        return encode(message, epoch=self._parts.receiver.epoch, uid=uid).pack()

    def _note_lost(self, lost: BaseExceptionGroup[SessionLost]) -> None:
        self._lost.inc()
        why = str(_first(lost))
        if why != self.problem:
            _LOG.warning(
                "no session with the broker; pods go on, trying again",
                extra={"broker": f"{self._parts.broker.host}:{self._parts.broker.port}", "reason": why},
            )
        self.problem = why


def _first(group: BaseExceptionGroup[SessionLost]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
