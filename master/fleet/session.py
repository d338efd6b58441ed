"""The master's MQTT 5 session over TLS. aiomqtt and what it raises stay in this file.

Called by `master.fleet.fleet`, which reconnects: a session is used once. It knows topics and bytes, not what they mean. It
starts clean: the broker is a cache, and what nodes said meanwhile they say again.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from proto.envelope import MAX_ENVELOPE_BYTES

KEEPALIVE_SECONDS = 15
#: Seconds that one exchange with the broker may take before the session counts as lost.
EXCHANGE_SECONDS = 20.0
#: Messages that wait to be taken in. Beyond it they are dropped and `take_overflow` tells.
INBOX_MESSAGES = 65_536
BATCH_MESSAGES = 512
#: Publishes that are on their way at once: enough to hide the round trip, few enough for heartbeats to pass.
PIPELINE = 256

_FAILURE = 0x80  # reason codes from here on are failures (MQTT 5, 2.4)


class SessionLost(Exception):
    """There is no session (any more); says why."""


@dataclass(frozen=True, slots=True)
class BrokerEndpoint:
    """Where the broker is, and our certificate for it. `user` is the certificate's common name."""

    host: str
    port: int
    user: str
    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message that came up."""

    topic: str
    payload: bytes


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """aiomqtt drops what does not fit and only logs it; here it is remembered."""

    overflowed = False

    def put_nowait(self, item: aiomqtt.Message) -> None:
        if self.full():
            self.overflowed = True
        super().put_nowait(item)


class Session:
    """A connected, subscribed session."""

    def __init__(self, client: aiomqtt.Client, inbox: _Inbox) -> None:
        self._client = client
        self._inbox = inbox
        self._pipeline = asyncio.Semaphore(PIPELINE)

    async def receive(self) -> list[Arrival]:
        """Wait for messages; all that are there, up to a bound, in order. Raises SessionLost."""
        try:
            messages = [await anext(aiter(self._client.messages))]
        except aiomqtt.MqttError as error:
            raise SessionLost(str(error)) from error
        while len(messages) < BATCH_MESSAGES and not self._inbox.empty():
            messages.append(self._inbox.get_nowait())
        return [Arrival(str(message.topic), bytes(message.payload)) for message in messages if not message.retain]

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, assured: bool = True) -> None:
        """Publish; `assured`: wait until the broker has it (QoS 1). Otherwise until it is written out. Raises SessionLost."""
        async with self._pipeline:
            try:
                await self._client.publish(topic, payload, qos=1 if assured else 0, retain=retain)
            except aiomqtt.MqttError as error:
                raise SessionLost(str(error)) from error

    def take_overflow(self) -> bool:
        """True once after messages were dropped because they came faster than they were taken in."""
        overflowed, self._inbox.overflowed = self._inbox.overflowed, False
        return overflowed


@asynccontextmanager
async def connect(endpoint: BrokerEndpoint, filters: Sequence[str]) -> AsyncIterator[Session]:
    """Connect and subscribe. Raises SessionLost, also out of the block."""
    inbox = _Inbox(maxsize=INBOX_MESSAGES)
    client = aiomqtt.Client(
        endpoint.host,
        endpoint.port,
        identifier=endpoint.user,
        queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", lambda maxsize: inbox),
        protocol=aiomqtt.ProtocolVersion.V5,
        timeout=EXCHANGE_SECONDS,
        keepalive=KEEPALIVE_SECONDS,
        clean_start=True,
        max_inflight_messages=PIPELINE,
        properties=_connect_properties(),
        tls_context=await asyncio.get_running_loop().run_in_executor(None, _tls, endpoint),
        logger=_QUIET,
    )
    client.pending_calls_threshold = 4 * PIPELINE
    try:
        async with client:
            granted = cast("Sequence[int | ReasonCode]", await client.subscribe([(filter_, 1) for filter_ in filters]))
            for filter_, code in zip(filters, granted, strict=True):
                value = int(code.value) if isinstance(code, ReasonCode) else code
                if value >= _FAILURE:
                    raise SessionLost(f"the broker refuses the subscription to {filter_}")
            yield Session(client, inbox)
    except aiomqtt.MqttError as error:
        raise SessionLost(str(error)) from error


#: The client library's own logger: what it says is told once, as the reason of SessionLost.
_QUIET = logging.getLogger(__name__ + ".mqtt")
_QUIET.setLevel(logging.CRITICAL)


def _tls(endpoint: BrokerEndpoint) -> ssl.SSLContext:
    """Read anew for each connection, so that a renewed certificate is used. Raises SessionLost."""
    try:
        context = ssl.create_default_context(cafile=str(endpoint.ca))
        context.load_cert_chain(str(endpoint.certificate), str(endpoint.key))
    except OSError as error:  # ssl.SSLError is one
        raise SessionLost(f"cannot use {endpoint.certificate}, {endpoint.key} or {endpoint.ca}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = MAX_ENVELOPE_BYTES + 64 * 1024
    return properties
