"""systemd's notification protocol (sd_notify(3)): READY, WATCHDOG, STOPPING. Does nothing where systemd does not run us.

The environment is read here, once, because systemd defines it as the interface of this very protocol. It is taken out of it
too: a child (the broker) that speaks the protocol would be told off by systemd at each start.
"""

import asyncio
import os
import socket


class Notifier:
    """Speaks to $NOTIFY_SOCKET; `run` feeds the watchdog from the event loop, so that a stuck loop is restarted."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        microseconds = os.environ.pop("WATCHDOG_USEC", "")
        self._period = int(microseconds) / 2_000_000 if microseconds.isdigit() else 0.0

    def ready(self, status: str = "") -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    async def run(self) -> None:
        """Feed the watchdog for ever; returns at once when there is none."""
        while self._address and self._period:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._period)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.sendto(message.encode(), address)
            except OSError:
                return  # systemd went away; it will look after us by other means
