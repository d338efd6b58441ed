"""Hearing at once that a link of the node changed (a pod's port joined the bridge), by rtnetlink's notifications."""

import asyncio
import socket
from types import TracebackType

_RTMGRP_LINK = 1


class LinkMonitor:
    """A context manager; `changed` is set whenever a link came, went or changed. The notifications' content is not read:
    whoever wakes looks at the real state."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> "LinkMonitor":
        self._socket.setblocking(False)
        self._socket.bind((0, _RTMGRP_LINK))
        self._loop.add_reader(self._socket, self._readable)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            pass
        except OSError:
            pass  # ENOBUFS: notifications were lost, which is a change too
        self.changed.set()
