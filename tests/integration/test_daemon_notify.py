"""systemd's notification protocol over a real socket: what a daemon says reaches it, and its children are not invited."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from proto.daemon.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd listens on, announced in the environment with a watchdog of 0.2 s."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        yield listening


def test_readiness_and_the_end_are_told(systemd: socket.socket) -> None:
    notifier = Notifier()
    notifier.ready("serving")
    assert systemd.recv(100) == b"READY=1\nSTATUS=serving"
    notifier.stopping()
    assert systemd.recv(100) == b"STOPPING=1"


async def test_the_watchdog_is_fed_twice_in_its_time(systemd: socket.socket) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.35):
            await Notifier().run()
    systemd.setblocking(False)
    fed = [systemd.recv(100) for _ in range(4)]
    assert fed == [b"WATCHDOG=1"] * 4


def test_children_do_not_inherit_the_socket(systemd: socket.socket) -> None:
    Notifier()
    assert "NOTIFY_SOCKET" not in os.environ
    assert "WATCHDOG_USEC" not in os.environ
