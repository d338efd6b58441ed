"""The fleet: holds the master's MQTT session and everything that works over it. Built and run by `master.app`.

wait for the informers ─► connect ─► subscribe ─► publish all, announce the leader ─► take in ─► lost ─► wait ─► connect
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from master.client.events import EventRecorder
from master.client.protocol import Client
from master.fleet.intake import Intake, IntakeParts
from master.fleet.leases import Leases
from master.fleet.liveness import Liveness
from master.fleet.mirrors import MirrorWriter
from master.fleet.node_events import NodeEvents
from master.fleet.nodes import NodeWriter
from master.fleet.pod_tokens import PodTokens, PodTokenSettings
from master.fleet.pods import PodWriter
from master.fleet.publisher import ClusterOrder, Publisher
from master.fleet.rejections import Rejections
from master.fleet.returns import Returns
from master.fleet.streams import FleetStreams
from master.fleet.view import FleetView
from master.informer.informer import Informers
from master.pki.service_account.keys import ServiceAccountKeys
from proto.messages import Message
from proto.mqtt_session import BrokerEndpoint, Session, SessionLimits, SessionLost, connect
from proto.signing import Signer
from proto.topics import Topics

log = logging.getLogger(__name__)

_SESSION_LIMITS = SessionLimits(keepalive_seconds=15, exchange_seconds=20.0, inbox_messages=65_536, batch_messages=512)
#: Seconds between two tries to connect, doubling from the first to the second, with jitter.
_BACKOFF_FIRST, _BACKOFF_LAST = 0.1, 5.0
#: Seconds between two announcements after messages of nodes were dropped.
_ANNOUNCE_SPACING = 2.0


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """`identity` names this master to people; `epoch` is the leader's (see `master.fleet.epoch`)."""

    identity: str
    epoch: int
    broker: BrokerEndpoint
    cluster: ClusterOrder
    tokens: PodTokenSettings


class Fleet:
    """See the module. `liveness` is the controllers' NodeHeartbeats, `streams` the API's NodeStreams.

    client_of_node: the API as a node may use it, for what the fleet does on its behalf.
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        *,
        signer: Signer,
        keys: ServiceAccountKeys,
        topics: Topics,
        settings: FleetSettings,
        client_of_node: Callable[[str], Client],
    ) -> None:
        self._settings = settings
        self._topics = topics
        self.liveness = Liveness()
        self._view = FleetView(informers, PodTokens(informers, keys, settings.tokens))
        self._recorder = EventRecorder(client, "wherry-fleet")
        self._publisher = Publisher(
            self._view,
            self._recorder,
            signer=signer,
            topics=topics,
            epoch=settings.epoch,
            identity=settings.identity,
            cluster=settings.cluster,
        )
        self.streams = FleetStreams(topics, self.liveness, self._send)
        self._events = NodeEvents(client, self._view)
        rejections = Rejections()
        self._leases = Leases(client, self.liveness, self._view)
        self._intake = Intake(
            topics,
            IntakeParts(
                view=self._view,
                publisher=self._publisher,
                liveness=self.liveness,
                nodes=NodeWriter(client),
                pods=PodWriter(client),
                events=self._events,
                streams=self.streams,
                mirrors=MirrorWriter(client_of_node, rejections),
                rejections=rejections,
                returns=Returns(self._view, self._publisher.ask),
            ),
        )
        #: Why there is no session with the broker, or "" while there is one: for readiness.
        self.problem = "not connected to the broker yet"
        self._connected = False

    async def run(self) -> None:
        """Until cancelled."""
        await self._view.synced()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._intake.run(), name="fleet intake")
            tasks.create_task(self._events.run(), name="fleet events")
            tasks.create_task(self._leases.run(), name="fleet leases")
            tasks.create_task(self._recorder.run(), name="fleet recorder")
            tasks.create_task(self._keep_session(), name="fleet session")

    async def _keep_session(self) -> None:
        backoff = _BACKOFF_FIRST
        while True:
            self._connected = False
            try:
                await self._session()
            except* SessionLost as lost:
                self._note_lost(lost)
            if self._connected:
                backoff = _BACKOFF_FIRST
            await asyncio.sleep(random.uniform(backoff / 2, backoff))
            backoff = min(backoff * 2, _BACKOFF_LAST)

    async def _session(self) -> None:
        """One session. Raises SessionLost, alone or in a group."""
        async with connect(self._settings.broker, filters=[self._topics.up_filter], limits=_SESSION_LIMITS) as session:
            log.info("connected to the broker", extra={"epoch": self._settings.epoch})
            self.problem = ""
            self._connected = True
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.streams.run(), name="fleet streams")
                tasks.create_task(self._publisher.run(session), name="fleet publish")
                tasks.create_task(self._receive(session), name="fleet receive")

    async def _receive(self, session: Session) -> None:
        announced = 0.0
        clock = asyncio.get_running_loop()
        while True:
            await self._intake.take(await session.receive())
            if session.take_overflow() and clock.time() - announced > _ANNOUNCE_SPACING:
                announced = clock.time()
                log.warning("nodes spoke faster than the master could listen; asking them to repeat")
                await self._publisher.announce()

    async def _send(self, topic: str, message: Message, assured: bool) -> None:
        await self._publisher.send(topic, message, assured=assured)

    def _note_lost(self, lost: BaseExceptionGroup[SessionLost]) -> None:
        why = str(_first(lost))
        if why != self.problem:
            broker = self._settings.broker
            log.warning(
                "no session with the broker, trying again", extra={"broker": f"{broker.host}:{broker.port}", "reason": why}
            )
        self.problem = why


def _first(group: BaseExceptionGroup[SessionLost]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
