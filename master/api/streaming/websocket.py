"""WebSockets of the API: which subprotocol is spoken, bearer tokens of browsers, and the plain one that carries bytes only.

Source: k8s.io/apimachinery/pkg/util/httpstream/wsstream and k8s.io/apiserver/pkg/authentication/request/websocket.
"""

import base64
import binascii
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import WSMsgType, hdrs, web

from master.client.errors import StatusError

#: Largest message of a client in bytes.
MAX_MESSAGE_BYTES = 1 << 20
#: A browser cannot set a header on a WebSocket: it hides its token among the subprotocols.
_BEARER = "base64url.bearer.authorization.k8s.io."
#: For logs and watches: "" and the first carry binary messages, the second base64 text.
BYTES_PROTOCOLS = ("", "binary.k8s.io", "base64.binary.k8s.io")


def is_websocket(request: web.Request) -> bool:
    upgrade = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    return upgrade and "upgrade" in request.headers.get(hdrs.CONNECTION, "").lower()


def offered(request: web.Request) -> list[str]:
    """Subprotocols that the client offers in its order, without a token among them."""
    values = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
    names = (text.strip() for value in values for text in value.split(","))
    return [name for name in names if name and not name.startswith(_BEARER)]


def bearer_token(request: web.Request) -> str:
    """The token among the subprotocols, or ""; another subprotocol must be offered beside it."""
    if not is_websocket(request):
        return ""
    values = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
    found = [text.strip() for value in values for text in value.split(",") if text.strip().startswith(_BEARER)]
    if len(found) != 1 or not offered(request):
        return ""
    encoded = found[0].removeprefix(_BEARER)
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def choose(names: list[str], known: Collection[str]) -> str:
    """The client's first choice that is known; "" when it offers none and that is known. Raises StatusError 403."""
    for name in names or [""]:
        if name in known:
            return name
    accepted = " ".join(name for name in known if name)
    why = f"unable to negotiate protocol: client supports [{' '.join(names)}], server accepts [{accepted}]"
    raise StatusError(403, "Forbidden", f"unable to upgrade: {why}")


def check_origin(request: web.Request) -> None:
    """Refuse a page of another site that a browser lets speak with its user's certificate (cross-site WebSocket hijacking).

    A browser sends its certificate along for any page, and asks nobody before it opens a WebSocket. Who shows a token has
    chosen to; programs name no origin, or the server's own. Raises StatusError 403.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or hdrs.AUTHORIZATION in request.headers or bearer_token(request):
        return
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:
        host = ""
    if host.removesuffix(":443") != request.host.lower().removesuffix(":443"):
        raise StatusError(403, "Forbidden", "unable to upgrade: a WebSocket of another origin needs a bearer token")


async def open_socket(request: web.Request, protocol: str) -> web.WebSocketResponse:
    """Raises StatusError 400 for a handshake that is none, 403 for another site's page."""
    check_origin(request)
    socket = web.WebSocketResponse(protocols=(protocol,) if protocol else (), max_msg_size=MAX_MESSAGE_BYTES)
    try:
        await socket.prepare(request)
    except web.HTTPBadRequest as error:
        raise StatusError(400, "BadRequest", f"unable to upgrade: {error.text}") from error
    return socket


class BytesSocket:
    """An answer whose body goes out as messages: a log's pieces, a watch's events."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._base64 = (socket.ws_protocol or "").startswith("base64")

    @classmethod
    async def open(cls, request: web.Request) -> "BytesSocket":
        """Raises StatusError 400 or 403."""
        return cls(await open_socket(request, choose(offered(request), BYTES_PROTOCOLS)))

    async def write(self, data: bytes) -> None:
        """Raises ConnectionResetError when the client is gone."""
        if self._base64:
            await self._socket.send_str(base64.b64encode(data).decode())
        else:
            await self._socket.send_bytes(data)

    async def write_text(self, data: bytes) -> None:
        """As a text message, where the subprotocol does not ask for another form."""
        if self._base64:
            await self.write(data)
        else:
            await self._socket.send_str(data.decode())

    async def client_left(self) -> None:
        """Wait until the client closes; what it sends means nothing."""
        while not self._socket.closed:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return

    async def close(self) -> web.WebSocketResponse:
        await self._socket.close()
        return self._socket
