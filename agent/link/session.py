"""One MQTT 5 session over TLS. aiomqtt and what it raises stay in this file.

Called by `agent.link.link`, which reconnects: a session is used once. It knows topics and bytes, not what they mean.

The session starts clean: what the broker keeps for us is only ever a copy (retained orders come again on subscribing, and
the master answers our hello), so nothing depends on the broker having queued anything.
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

from agent.link.delivery import Delivery
from proto.envelope import MAX_ENVELOPE_BYTES

#: Seconds without a word from the broker after which the client library asks whether it lives.
KEEPALIVE_SECONDS = 10
#: Seconds that the broker waits before it publishes the Last Will: a blip of the network is no news.
WILL_DELAY_SECONDS = 2
#: Seconds that one exchange with the broker may take.
EXCHANGE_SECONDS = 10.0
#: Messages that wait to be taken in. Beyond it they are dropped and `overflowed` tells.
INBOX_MESSAGES = 32_768
#: Most messages that `receive` returns at once.
BATCH_MESSAGES = 256


class SessionLost(Exception):
    """There is no session (any more); says why."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, and who we are there. `user` is the common name of the certificate."""

    host: str
    port: int
    user: str
    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when the session breaks."""

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

    async def receive(self) -> list[Delivery]:
        """Wait for messages; all that are there, up to a bound, in order. Raises SessionLost."""
        try:
            messages = [await anext(aiter(self._client.messages))]
        except aiomqtt.MqttError as error:
            raise SessionLost(str(error)) from error
        while len(messages) < BATCH_MESSAGES and not self._inbox.empty():
            messages.append(self._inbox.get_nowait())
        return [Delivery(str(message.topic), bytes(message.payload), message.retain) for message in messages]

    async def publish(self, topic: str, payload: bytes, *, assured: bool = True) -> None:
        """Publish; `assured`: wait until the broker has it (QoS 1). Otherwise until it is written out. Raises SessionLost."""
        try:
            await self._client.publish(topic, payload, qos=1 if assured else 0)
        except aiomqtt.MqttError as error:
            raise SessionLost(str(error)) from error

    def take_overflow(self) -> bool:
        """True once after messages were dropped because they came faster than they were taken in."""
        overflowed, self._inbox.overflowed = self._inbox.overflowed, False
        return overflowed


@asynccontextmanager
async def connect(broker: Broker, *, will: Will, filters: Sequence[str]) -> AsyncIterator[Session]:
    """Connect and subscribe. Leaving in order says goodbye: the broker then forgets the will. Raises SessionLost."""
    inbox = _Inbox(maxsize=INBOX_MESSAGES)
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=broker.user,
        queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", lambda maxsize: inbox),
        protocol=aiomqtt.ProtocolVersion.V5,
        will=aiomqtt.Will(will.topic, will.payload, qos=1, properties=_will_properties()),
        timeout=EXCHANGE_SECONDS,
        keepalive=KEEPALIVE_SECONDS,
        clean_start=True,
        properties=_connect_properties(),
        tls_context=await asyncio.get_running_loop().run_in_executor(None, _tls, broker),
        logger=_QUIET,
    )
    client.pending_calls_threshold = 1_000
    try:
        async with client:
            granted = await client.subscribe([(filter_, 1) for filter_ in filters])
            for filter_, code in zip(filters, granted, strict=True):
                if isinstance(code, ReasonCode) and code.is_failure:
                    raise SessionLost(f"the broker refuses the subscription to {filter_}")
            yield Session(client, inbox)
    except aiomqtt.MqttError as error:
        raise SessionLost(str(error)) from error


#: The client library's own logger: what it says is told once, as the reason of SessionLost.
_QUIET = logging.getLogger(__name__ + ".mqtt")
_QUIET.setLevel(logging.CRITICAL)


def _tls(broker: Broker) -> ssl.SSLContext:
    """Read anew for each connection, so that a renewed certificate is used. Raises SessionLost."""
    try:
        context = ssl.create_default_context(cafile=str(broker.ca))
        context.load_cert_chain(str(broker.certificate), str(broker.key))
    except OSError as error:  # ssl.SSLError is one
        raise SessionLost(
            f"cannot use certificate {broker.certificate}, key {broker.key} or CA {broker.ca}: {error.strerror or error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = WILL_DELAY_SECONDS  # the will goes out at the latest when the session expires
    properties.MaximumPacketSize = MAX_ENVELOPE_BYTES + 64 * 1024
    return properties


def _will_properties() -> Properties:
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.WillDelayInterval = WILL_DELAY_SECONDS
    return properties
