"""Does a gRPC server call a service healthy: grpc.health.v1.Health/Check, without TLS, as kubelet asks it.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md, …/doc/PROTOCOL-HTTP2.md

h2 speaks HTTP/2; the two messages of the health protocol are a string and an enumeration, encoded here. It is imported with
the first gRPC probe only: a node without one does not pay for it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lightkube.models.core_v1 import GRPCAction

from agent.probes.protocol import ProbeResult, ProbeTarget
from agent.runtime.protocol import Streams
from proto.version import KUBERNETES_VERSION

if TYPE_CHECKING:
    from h2.connection import H2Connection

_USER_AGENT = f"kube-probe/{'.'.join(KUBERNETES_VERSION.split('.')[:2])}"
#: Before the next try to connect, in seconds: gRPC's first back-off.
_RECONNECT = 1.0
_MAX_MESSAGE = 64 * 1024
_CODES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
    "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss",
    "Unauthenticated",
)  # fmt: skip
_SERVING = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_FROM_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}


class _NoConnection(Exception):
    """Nobody answers in HTTP/2."""


@dataclass(slots=True)
class _Answer:
    status: int | None = None
    message: str = ""
    http: int = 0
    body: bytearray = field(default_factory=bytearray)


class GRPCProber:
    source = "grpc"

    async def probe(self, handler: GRPCAction, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
        address = target.address
        where = _authority(address, handler.port)
        connected = False

        def on_connected() -> None:
            nonlocal connected
            connected = True

        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        answer = await _check(address, handler.port, service=handler.service or "", on_connected=on_connected)
                        break
                    except _NoConnection:
                        # A gRPC client goes on trying until the time is up.
                        await asyncio.sleep(_RECONNECT)
        except TimeoutError:
            if connected:
                return ProbeResult("failure", f"timeout: health rpc did not complete within {timeout:g}s")
            text = f'timeout: failed to connect service "{where}" within {timeout:g}s: context deadline exceeded'
            return ProbeResult("failure", text)
        return _judge(answer)


def _judge(answer: _Answer) -> ProbeResult:
    if answer.status is None:
        answer.status = _FROM_HTTP.get(answer.http, 2) if answer.http != 200 else 13
        answer.message = answer.message or (
            f"unexpected HTTP status code received from server: {answer.http}"
            if answer.http != 200
            else "server closed the stream without sending trailers"
        )
    if answer.status == 12:
        text = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return ProbeResult("failure", f"{text}: {answer.message}")
    if answer.status:
        code = _CODES[answer.status] if answer.status < len(_CODES) else f"Code({answer.status})"
        return ProbeResult("failure", f"error: health rpc probe failed: rpc error: code = {code} desc = {answer.message}")
    serving = _serving(bytes(answer.body[5:]))
    if serving == 1:
        return ProbeResult("success", "service healthy")
    name = _SERVING[serving] if serving < len(_SERVING) else str(serving)
    return ProbeResult("failure", f'service unhealthy (responded with "{name}")')


async def _check(host: str, port: int, *, service: str, on_connected: Callable[[], None]) -> _Answer:
    """One call over a connection of its own. Raises _NoConnection."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.exceptions import ProtocolError

    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise _NoConnection from error
    try:
        connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        connection.initiate_connection()
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, _headers(_authority(host, port)))
        connection.send_data(stream, _request(service), end_stream=True)
        writer.write(connection.data_to_send())
        answer = _Answer()
        while data := await reader.read(64 * 1024):
            if _take(connection, data, answer, on_connected):
                return answer
            writer.write(connection.data_to_send())
        raise _NoConnection
    except (OSError, ProtocolError, UnicodeDecodeError) as error:
        raise _NoConnection from error
    finally:
        writer.transport.abort()


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _headers(authority: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("user-agent", _USER_AGENT),
        ("te", "trailers"),
    ]


def _take(connection: "H2Connection", data: bytes, answer: _Answer, on_connected: Callable[[], None]) -> bool:
    """True once the call is over."""
    from h2 import events

    for event in connection.receive_data(data):
        match event:
            case events.RemoteSettingsChanged():
                on_connected()
            case events.ResponseReceived() | events.TrailersReceived():
                _take_headers(answer, event.headers)
            case events.DataReceived():
                answer.body += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if len(answer.body) > _MAX_MESSAGE:
                    answer.status, answer.message = 8, "received message larger than max"
                    return True
            case events.StreamEnded():
                return True
            case events.StreamReset() | events.ConnectionTerminated():
                answer.status, answer.message = 14, f"stream terminated with error code {int(event.error_code or 0)}"
                return True
    return False


def _take_headers(answer: _Answer, headers: object) -> None:
    assert isinstance(headers, list)
    for name, value in headers:
        if name == ":status":
            answer.http = int(value)
        elif name == "grpc-status" and value.isdecimal():
            answer.status = int(value)
        elif name == "grpc-message":
            answer.message = unquote(value)


def _request(service: str) -> bytes:
    """HealthCheckRequest (field 1: the service) behind gRPC's five bytes: not compressed, length."""
    text = service.encode()
    message = b"\x0a" + _varint(len(text)) + text if text else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _serving(message: bytes) -> int:
    """HealthCheckResponse's status (field 1, a varint); absent, it is 0 (UNKNOWN)."""
    if message[:1] != b"\x08":
        return 0
    value = 0
    for index, byte in enumerate(message[1:11]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            break
    return value


PROBER = GRPCProber()
