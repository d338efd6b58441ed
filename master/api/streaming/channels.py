"""Numbered channels in the messages of a WebSocket: the first byte (or digit, in base64 form) is the channel's number.

Version 5 also closes a channel: byte 255, then its number (KEP-4006).
"""

import base64
import binascii

from aiohttp import WSMsgType, web

_CLOSE_CHANNEL = 255


class ChannelSocket:
    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self.protocol = socket.ws_protocol or ""
        self._base64 = "base64" in self.protocol

    async def receive(self) -> tuple[int, bytes, bool] | None:
        """The next message as (channel, data, closed); None once the client went away or broke the protocol."""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY and not self._base64:
                channel, data = (message.data[0], message.data[1:]) if message.data else (-1, b"")
            elif message.type is WSMsgType.TEXT and self._base64:
                try:
                    channel = ord(message.data[:1] or "/") - ord("0")
                    data = base64.b64decode(message.data[1:], validate=True)
                except (binascii.Error, ValueError):
                    return None
            elif message.type is WSMsgType.TEXT:
                raw = message.data.encode()  # as Kubernetes: the bytes count, not the message's type
                channel, data = (raw[0], raw[1:]) if raw else (-1, b"")
            else:
                return None
            if channel == _CLOSE_CHANNEL and self.protocol.startswith("v5."):
                if data:
                    return data[0], b"", True
            elif channel >= 0:
                return channel, data, False

    async def send(self, channel: int, data: bytes) -> None:
        """Raises ConnectionResetError when the client is gone."""
        if self._base64:
            await self._socket.send_str(chr(ord("0") + channel) + base64.b64encode(data).decode())
        else:
            await self._socket.send_bytes(bytes((channel,)) + data)

    async def close(self) -> None:
        await self._socket.close()
