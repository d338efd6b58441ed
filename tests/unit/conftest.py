"""Unit tests find blocking calls: source code that opens a file, socket or process while its event loop waits fails its test.

What third-party code and the tests themselves do is theirs. Finding and importing modules and showing a traceback's lines read
files once and are Python's own. The command line may block: nothing waits for its loop.
"""

import asyncio
import linecache
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

_CHECKOUT = Path(__file__).resolve().parents[2]
_SOURCE = tuple(f"{_CHECKOUT / package}/" for package in ("agent", "master", "proto"))
_TESTS = f"{_CHECKOUT / 'tests'}/"
#: Audit events of calls that wait for a disk, a network or another process.
_BLOCKING = frozenset(
    {
        "open",
        "os.listdir",
        "os.rename",
        "shutil.rmtree",
        "socket.connect",
        "socket.getaddrinfo",
        "sqlite3.connect",
        "subprocess.Popen",
    }
)
_PYTHONS_OWN = ("<frozen importlib", linecache.__file__, pkgutil.__file__)
_COMMAND_LINE = (f"{_CHECKOUT}/master/cli/", f"{_CHECKOUT}/agent/cli.py")
_found: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _BLOCKING or asyncio._get_running_loop() is None:
        return
    frame: FrameType | None = sys._getframe(1)
    caller = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_COMMAND_LINE) or (not caller and name.startswith((*_PYTHONS_OWN, _TESTS))):
            return
        if not caller and name.startswith(_SOURCE):
            caller = f"{name}:{frame.f_lineno} ({frame.f_code.co_name})"
        frame = frame.f_back
    if caller:
        _found.append(f"{event} {arguments[0]!r} at {caller}")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def no_blocking_calls_on_the_event_loop() -> Iterator[None]:
    _found.clear()
    yield
    assert not _found, "\n".join(_found)
