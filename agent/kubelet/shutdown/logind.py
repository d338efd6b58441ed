"""systemd-logind over D-Bus: takes the delay lock and hears of shutdowns. The Inhibitor of real hosts.

https://systemd.io/INHIBITOR_LOCKS/ and org.freedesktop.login1(5). dbus-fast is imported when it is used: most nodes do not.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.kubelet.shutdown.manager import InhibitorFailed

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus
    from dbus_fast.message import Message

log = logging.getLogger(__name__)

#: Where logind's longest delay is set for wherry; `wherry-agent reset` removes it.
DROP_IN = Path("/etc/systemd/logind.conf.d/99-wherry-agent.conf")

_LOGIND, _PATH, _MANAGER = "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"
_CALL_SECONDS = 10.0
#: How often it is seen whether the bus is still there.
_LOST_SECONDS = 5.0
#: How often, and how many seconds apart, it is seen whether logind has read its configuration again.
_RELOAD_LOOKS, _RELOAD_PAUSE = 25, 0.2
_MATCH = f"type='signal',sender='{_LOGIND}',interface='{_MANAGER}',member='PrepareForShutdown',path='{_PATH}'"
_NAME_MATCH = (
    f"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{_LOGIND}'"
)


@asynccontextmanager
async def logind(*, address: str | None = None, drop_in: Path = DROP_IN) -> AsyncIterator["Logind"]:
    """A connection to the system bus, or the bus at `address`. Raises InhibitorFailed."""
    from dbus_fast import BusType
    from dbus_fast.aio import MessageBus

    try:
        async with asyncio.timeout(_CALL_SECONDS):
            bus = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    except (OSError, TimeoutError, ValueError, EOFError) as error:
        raise InhibitorFailed(f"the system bus does not answer: {error or 'too late'}") from error
    one = Logind(bus, drop_in)
    try:
        await one.listen()
        yield one
    finally:
        await one.release()
        bus.disconnect()


class Logind:
    """See `logind`."""

    def __init__(self, bus: "MessageBus", drop_in: Path) -> None:
        self._bus = bus
        self._drop_in = drop_in
        self._lock: int | None = None
        self._heard: asyncio.Queue[bool | None] = asyncio.Queue(16)

    async def listen(self) -> None:
        """Hear of shutdowns from now on, and of logind's end, with which its locks end. Raises InhibitorFailed."""
        self._bus.add_message_handler(self._take_in)
        for match in (_MATCH, _NAME_MATCH):
            await self._call(
                "AddMatch",
                "s",
                [match],
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
            )

    async def allow(self, seconds: float) -> None:
        present = await self._longest_delay()
        if present >= seconds:
            return
        try:
            await asyncio.to_thread(self._write_drop_in, seconds)
            # Has it read its configuration again.
            await self._call(
                "KillUnit",
                "ssi",
                ["systemd-logind.service", "all", 1],
                destination="org.freedesktop.systemd1",
                path="/org/freedesktop/systemd1",
                interface="org.freedesktop.systemd1.Manager",
            )
            for _ in range(_RELOAD_LOOKS):
                present = await self._longest_delay()
                if present >= seconds:
                    return
                await asyncio.sleep(_RELOAD_PAUSE)
            problem = "it goes on with what it had"
        except (OSError, InhibitorFailed) as error:
            problem = str(error)
        log.warning(
            "logind gives pods less time at a shutdown than is set: set InhibitDelayMaxSec in %s",
            self._drop_in,
            extra={"seconds": present, "wanted": seconds, "problem": problem},
        )

    async def take(self) -> None:
        if self._lock is not None:
            return
        why = "wherry-agent ends the pods of this node with grace"
        reply = await self._call("Inhibit", "ssss", ["shutdown", "wherry-agent", why, "delay"])
        index = reply.body[0] if reply.body else 0
        if index >= len(reply.unix_fds):
            raise InhibitorFailed("logind gave no lock")
        self._lock = reply.unix_fds[index]

    async def release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    async def shutdowns(self) -> AsyncIterator[bool]:
        while True:
            try:
                async with asyncio.timeout(_LOST_SECONDS):
                    begins = await self._heard.get()
            except TimeoutError:
                if not self._bus.connected:
                    raise InhibitorFailed("the connection to the system bus was lost") from None
                continue
            if begins is None:
                raise InhibitorFailed("logind has ended")
            yield begins

    async def _longest_delay(self) -> float:
        """In seconds."""
        reply = await self._call("Get", "ss", [_MANAGER, "InhibitDelayMaxUSec"], interface="org.freedesktop.DBus.Properties")
        return float(reply.body[0].value) / 1e6

    def _write_drop_in(self, seconds: float) -> None:
        self._drop_in.parent.mkdir(parents=True, exist_ok=True)
        text = f"# Written by wherry-agent (shutdown_grace_period).\n[Login]\nInhibitDelayMaxSec={seconds:.0f}\n"
        self._drop_in.write_text(text, encoding="ascii")

    def _take_in(self, message: "Message") -> None:
        heard: bool | None
        if message.interface == _MANAGER and message.member == "PrepareForShutdown":
            heard = bool(message.body[0])
        elif message.member == "NameOwnerChanged" and message.body[:1] == [_LOGIND]:
            heard = None
        else:
            return
        if self._heard.full():
            self._heard.get_nowait()  # only the newest counts
        self._heard.put_nowait(heard)

    async def _call(
        self,
        member: str,
        signature: str,
        body: list[Any],
        *,
        destination: str = _LOGIND,
        path: str = _PATH,
        interface: str = _MANAGER,
    ) -> "Message":
        from dbus_fast import Message, MessageType

        message = Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=body
        )
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                reply = await self._bus.call(message)
        except (OSError, EOFError, TimeoutError) as error:
            raise InhibitorFailed(f"{member}: {error or 'no answer'}") from error
        if reply is None or reply.message_type is MessageType.ERROR:
            detail = reply.body[0] if reply is not None and reply.body else ""
            raise InhibitorFailed(f"{member}: {detail or (reply.error_name if reply is not None else 'no answer')}")
        return reply
