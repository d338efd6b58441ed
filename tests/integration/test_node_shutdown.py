"""The shutdown manager's Inhibitor over real D-Bus: a private bus, with a small logind of the test's own on it."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from agent.kubelet.shutdown.logind import logind
from agent.kubelet.shutdown.manager import InhibitorFailed
from tests.integration.kubelet_node import condition, kubelet_node

_PATH, _MANAGER = "/org/freedesktop/login1", "org.freedesktop.login1.Manager"
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>custom</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""


class Logind:
    """Answers as org.freedesktop.login1 does, and systemd1 for its reload."""

    def __init__(self, bus: MessageBus, drop_in: Path) -> None:
        self.bus = bus
        self.drop_in = drop_in
        self.delay = 5.0
        self.held: list[int] = []
        self.asked: list[list[str]] = []

    def handle(self, message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        match message.member:
            case "Get":
                return Message.new_method_return(message, "v", [Variant("t", int(self.delay * 1e6))])
            case "Inhibit":
                ours, theirs = os.pipe()
                self.held.append(ours)
                self.asked.append(list(message.body))
                reply = Message.new_method_return(message, "h", [0])
                reply.unix_fds = [theirs]
                asyncio.get_running_loop().call_later(0.5, os.close, theirs)
                return reply
            case "KillUnit":
                self.asked.append([str(one) for one in message.body])
                text = self.drop_in.read_text()
                self.delay = float(text.rpartition("InhibitDelayMaxSec=")[2])
                return Message.new_method_return(message)
        return False

    async def prepare_for_shutdown(self, begins: bool) -> None:
        await self.bus.send(Message.new_signal(_PATH, _MANAGER, "PrepareForShutdown", "b", [begins]))

    async def released(self) -> None:
        """Until nobody holds the lock that was given last any more."""
        await asyncio.wait_for(asyncio.to_thread(os.read, self.held[-1], 1), 5)


@pytest_asyncio.fixture
async def bus(tmp_path: Path) -> AsyncIterator[str]:
    socket, config = tmp_path / "bus", tmp_path / "bus.conf"
    config.write_text(_CONFIG.format(socket=socket))
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
    try:
        async with asyncio.timeout(10):
            while not socket.exists():
                await asyncio.sleep(0.02)
        yield f"unix:path={socket}"
    finally:
        daemon.terminate()
        await asyncio.to_thread(daemon.wait)


@pytest_asyncio.fixture
async def service(bus: str, tmp_path: Path) -> AsyncIterator[Logind]:
    connection = await MessageBus(bus_address=bus, negotiate_unix_fd=True).connect()
    one = Logind(connection, tmp_path / "logind.conf.d" / "99-wherry-agent.conf")
    connection.add_message_handler(one.handle)
    for name in ("org.freedesktop.login1", "org.freedesktop.systemd1"):
        await connection.request_name(name)
    try:
        yield one
    finally:
        connection.disconnect()
        for held in one.held:
            os.close(held)


async def test_the_lock_is_taken_shutdowns_are_heard_and_the_lock_is_let_go(bus: str, service: Logind) -> None:
    async with logind(address=bus, drop_in=service.drop_in) as inhibitor:
        await inhibitor.allow(30)
        assert service.delay == 30
        assert service.asked == [["systemd-logind.service", "all", "1"]]
        await inhibitor.allow(20)  # enough already
        await inhibitor.take()
        await inhibitor.take()
        assert [one[0::3] for one in service.asked[1:]] == [["shutdown", "delay"]]
        heard = inhibitor.shutdowns()
        await service.prepare_for_shutdown(True)
        assert await asyncio.wait_for(anext(heard), 5) is True
        await service.prepare_for_shutdown(False)
        assert await asyncio.wait_for(anext(heard), 5) is False
        await asyncio.sleep(0.6)  # the test's own end of the lock is closed by now
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await _readable(service.held[-1])
        await inhibitor.release()
        await service.released()


async def test_the_end_of_logind_and_of_the_bus_is_noticed(bus: str, service: Logind) -> None:
    async with logind(address=bus, drop_in=service.drop_in) as inhibitor:
        service.bus.disconnect()
        with pytest.raises(InhibitorFailed, match="logind has ended"):
            async with asyncio.timeout(5):
                await anext(inhibitor.shutdowns())


async def test_a_host_without_a_bus_or_without_logind_is_told_so(bus: str, tmp_path: Path) -> None:
    with pytest.raises(InhibitorFailed, match="the system bus does not answer"):
        async with logind(address=f"unix:path={tmp_path}/nowhere"):
            pass
    with pytest.raises(InhibitorFailed, match="Get"):
        async with logind(address=bus) as inhibitor:
            await inhibitor.allow(1)


@pytest.mark.root
@pytest.mark.docker
async def test_pods_end_failed_before_the_host_goes_down_and_new_ones_are_refused(
    bus: str, service: Logind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)
    service.delay = 60
    async with kubelet_node(tmp_path / "node") as node:
        await node.stop()
        node.settings = {"shutdown_grace_period": 20, "shutdown_grace_period_critical_pods": 10}
        await node.start()
        last = "trap 'cat /proc/uptime > /v/{}; sleep 0.1; exit 0' TERM; while :; do sleep 0.05; done"
        volume = {"volumes": [{"name": "v", "hostPath": {"path": str(tmp_path)}}]}
        mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
        for name, priority in (("plain", 0), ("critical", 2_000_000_000)):
            command = {"command": ["sh", "-c", last.format(name)]}
            node.order(node.pod(name, {**command, **mount}, priority=priority, **volume))
        await node.until_ready("plain")
        await node.until_ready("critical")
        async with asyncio.timeout(10):
            await _until_held(service)
        await service.prepare_for_shutdown(True)
        await service.released()
        for name in ("plain", "critical"):
            status = node.reports.last(name)
            assert (status["phase"], status["reason"]) == ("Failed", "Terminated")
            assert status["message"] == "Pod was terminated in response to imminent node shutdown."
            assert condition(status, "DisruptionTarget")["reason"] == "TerminationByKubelet"
        ended = {name: float((tmp_path / name).read_text().split()[0]) for name in ("plain", "critical")}
        assert ended["plain"] < ended["critical"]
        await node.until(lambda: condition(node.reports.node, "Ready").get("message") == "node is shutting down")
        node.order(node.pod("late", {}))
        await node.until(lambda: node.reports.last("late").get("phase") == "Failed")
        late = node.reports.last("late")
        assert (late["reason"], late["message"]) == (
            "NodeShutdown",
            "Pod was rejected: Pod was rejected as the node is shutting down.",
        )


async def _until_held(service: Logind) -> None:
    while not service.held:
        await asyncio.sleep(0.05)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(descriptor, ready.set_result, None)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
