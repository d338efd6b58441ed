"""One MQTT 5 session over TLS, as both sides have it. aiomqtt and what it raises stay in this file.

Called by `agent.link.link` and `master.fleet.fleet`, which reconnect: a session is used once. It knows topics and bytes, not
what they mean.

The session starts clean: what the broker keeps is only ever a copy (retained orders come again on subscribing, both sides
say again what they said), so nothing depends on the broker having queued anything.
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

from proto.delivery import Delivery
from proto.envelope import MAX_ENVELOPE_BYTES

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
class Will:
    """What the broker publishes when the session breaks, `delay_seconds` later: a blip of the network is no news."""

    topic: str
    payload: bytes
    delay_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """`keepalive_seconds`: without a word from the broker for so long the client library asks whether it lives.

    `exchange_seconds`: what one exchange with the broker may take before the session counts as lost. `inbox_messages`: what
    waits to be taken in; beyond it messages are dropped and `Session.take_overflow` tells. `batch_messages`: most of them that
    `Session.receive` returns at once.
    """

    keepalive_seconds: int
    exchange_seconds: float
    inbox_messages: int
    batch_messages: int


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """aiomqtt drops what does not fit and only logs it; here it is remembered."""

    overflowed = False

    def put_nowait(self, item: aiomqtt.Message) -> None:
        if self.full():
            self.overflowed = True
        super().put_nowait(item)


class Session:
    """A connected, subscribed session."""

    def __init__(self, client: aiomqtt.Client, inbox: _Inbox, limits: SessionLimits) -> None:
        self._client = client
        self._inbox = inbox
        self._batch = limits.batch_messages
        self._pipeline = asyncio.Semaphore(PIPELINE)

    async def receive(self) -> list[Delivery]:
        """Wait for messages; all that are there, up to a bound, in order. Raises SessionLost."""
        try:
            messages = [await anext(aiter(self._client.messages))]
        except aiomqtt.MqttError as error:
            raise SessionLost(str(error)) from error
        while len(messages) < self._batch and not self._inbox.empty():
            messages.append(self._inbox.get_nowait())
        return [Delivery(str(message.topic), bytes(message.payload), message.retain) for message in messages]

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
async def connect(
    endpoint: BrokerEndpoint, *, filters: Sequence[str], limits: SessionLimits, will: Will | None = None
) -> AsyncIterator[Session]:
    """Connect and subscribe. Leaving in order says goodbye: the broker then forgets the will.

    Raises SessionLost, also out of the block.
    """
    inbox = _Inbox(maxsize=limits.inbox_messages)
    client = aiomqtt.Client(
        endpoint.host,
        endpoint.port,
        identifier=endpoint.user,
        queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", lambda maxsize: inbox),
        protocol=aiomqtt.ProtocolVersion.V5,
        will=_will(will) if will is not None else None,
        timeout=limits.exchange_seconds,
        keepalive=limits.keepalive_seconds,
        clean_start=True,
        max_inflight_messages=PIPELINE,
        properties=_connect_properties(will),
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
            yield Session(client, inbox, limits)
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
        files = f"certificate {endpoint.certificate}, key {endpoint.key} or CA {endpoint.ca}"
        raise SessionLost(f"cannot use {files}: {error.strerror or error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _connect_properties(will: Will | None) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = MAX_ENVELOPE_BYTES + 64 * 1024
    if will is not None:
        properties.SessionExpiryInterval = will.delay_seconds  # the will goes out at the latest when the session expires
    return properties


def _will(will: Will) -> aiomqtt.Will:
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.WillDelayInterval = will.delay_seconds
    return aiomqtt.Will(will.topic, will.payload, qos=1, properties=properties)
