"""What a Service does for its clients, the same in every proxy mode, with real packets."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.proxy_world import World, ask, ask_udp, open_world, service
from tests.hosts import Host, Switch, run

pytestmark = [pytest.mark.root]

IP = "10.96.0.10"
NODE_PORT = 30080


@pytest_asyncio.fixture(params=["nftables", "userspace"])
async def world(request: pytest.FixtureRequest, switch: Switch) -> AsyncIterator[World]:
    async with open_world(switch, request.param) as made:
        yield made


async def asked(host: Host, address: str, port: int, times: int) -> Counter[str]:
    return Counter([(await ask(host, address, port))[0] for _ in range(times)])


async def test_round_robin_is_exact_per_service(world: World) -> None:
    await world.sync(
        service("web", IP, node_port=NODE_PORT), world.slice("web", "abcd"),
        service("more", "10.96.0.11"), world.slice("more", "abcd"),
    )  # fmt: skip
    assert await asked(world.node, IP, 80, 400) == dict.fromkeys("abcd", 100)
    interleaved = Counter[str]()
    for _ in range(100):
        interleaved[(await ask(world.node, IP, 80))[0]] += 1
        await ask(world.node, "10.96.0.11", 80)
    assert interleaved == dict.fromkeys("abcd", 25)


async def test_a_service_answers_pods_the_node_and_the_outside(world: World) -> None:
    await world.sync(service("web", IP, node_port=NODE_PORT), world.slice("web", "abcd"))
    every = dict.fromkeys("abcd", 2)
    assert await asked(world.pods["a"], IP, 80, 8) == every
    assert await asked(world.node, IP, 80, 8) == every
    assert await asked(world.client, world.node.address, NODE_PORT, 8) == every
    assert await asked(world.node, world.node.address, NODE_PORT, 8) == every
    assert await asked(world.pods["b"], world.node.address, NODE_PORT, 8) == every
    assert await asked(world.node, "127.0.0.1", NODE_PORT, 8) == every


async def test_a_pod_reaches_itself_through_its_service(world: World) -> None:
    await world.sync(service("web", IP, node_port=NODE_PORT), world.slice("web", "a"))
    assert (await ask(world.pods["a"], IP, 80))[0] == "a"
    assert (await ask(world.pods["a"], world.node.address, NODE_PORT))[0] == "a"


async def test_without_endpoints_a_connection_is_refused_at_once(world: World) -> None:
    await world.sync(service("web", IP, node_port=NODE_PORT))
    started = time.monotonic()
    for host, address, port in (
        (world.node, IP, 80),
        (world.pods["a"], IP, 80),
        (world.client, world.node.address, NODE_PORT),
        (world.node, world.node.address, NODE_PORT),
    ):
        with pytest.raises(ConnectionRefusedError):
            await ask(host, address, port)
    assert time.monotonic() - started < 2


async def test_a_removed_service_and_a_foreign_port_of_one_are_refused(world: World) -> None:
    await world.sync(service("web", IP), world.slice("web", "ab"))
    with pytest.raises(ConnectionRefusedError):
        await ask(world.pods["a"], IP, 81)
    await world.sync()
    for host in (world.node, world.pods["a"]):
        with pytest.raises(ConnectionRefusedError):
            await ask(host, IP, 80)


async def test_a_draining_endpoint_keeps_its_connections_and_gets_no_new_ones(world: World) -> None:
    await world.sync(service("web", IP), world.slice("web", "a"))
    loop = asyncio.get_running_loop()
    with world.node.socket() as established:
        await loop.sock_connect(established, (IP, 80))
        assert (await loop.sock_recv(established, 100)).startswith(b"a ")

        await world.sync(service("web", IP), world.slice("web", "bc", draining="a"))
        assert await asked(world.node, IP, 80, 20) == {"b": 10, "c": 10}
        await world.sync(service("web", IP), world.slice("web", "bc"))
        assert await asked(world.node, IP, 80, 20) == {"b": 10, "c": 10}

        await loop.sock_sendall(established, b"still there?")
        async with asyncio.timeout(3):
            assert await loop.sock_recv(established, 100) == b"still there?"


async def test_when_all_endpoints_drain_they_still_answer(world: World) -> None:
    await world.sync(service("web", IP), world.slice("web", "", draining="ab"))
    assert await asked(world.node, IP, 80, 10) == {"a": 5, "b": 5}


async def test_a_half_closed_connection_brings_the_answer(world: World) -> None:
    await world.sync(service("web", IP), world.slice("web", "d"))
    reader, writer = await asyncio.open_connection(sock=await _connected(world.pods["a"], IP, 80))
    payload = b"x" * 3_000_000
    writer.write(payload)
    writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    assert answer.partition(b"\n")[2] == payload + b"bye\n"


async def _connected(host: Host, address: str, port: int) -> socket.socket:
    sock = host.socket()
    async with asyncio.timeout(3):
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    return sock


async def test_session_affinity_keeps_a_client_on_its_pod(world: World) -> None:
    sticky = service("web", IP, node_port=NODE_PORT, sessionAffinity="ClientIP")
    await world.sync(sticky, world.slice("web", "abc"))
    homes = {}
    for host in (world.client, world.node, world.other):
        address, port = (IP, 80) if host is world.node else (world.node.address, NODE_PORT)
        (homes[host.name],) = await asked(host, address, port, 6)
    assert sorted(homes.values()) == ["a", "b", "c"], "different clients are spread"
    await world.sync(sticky, world.slice("web", "abcd"), service("new", "10.96.0.12"), world.slice("new", "a"))
    assert set(await asked(world.node, IP, 80, 6)) == {homes["node"]}
    left = "".join(sorted({*"abcd"} - {homes["node"]}))
    await world.sync(sticky, world.slice("web", left))
    assert len(await asked(world.node, IP, 80, 6)) == 1


async def test_external_policy_local_gives_the_outside_only_local_pods(world: World) -> None:
    local = service("web", IP, node_port=NODE_PORT, externalTrafficPolicy="Local")
    await world.sync(local, world.slice("web", "abcd"))
    assert await asked(world.client, world.node.address, NODE_PORT, 10) == {"a": 5, "b": 5}
    assert len(await asked(world.pods["a"], world.node.address, NODE_PORT, 8)) == 4
    assert len(await asked(world.node, world.node.address, NODE_PORT, 8)) == 4
    if world.mode == "nftables":
        assert (await ask(world.client, world.node.address, NODE_PORT))[1] == world.client.address
    await world.sync(local, world.slice("web", "cd"))
    with pytest.raises((OSError, TimeoutError)):
        await ask(world.client, world.node.address, NODE_PORT, timeout=1)
    assert await asked(world.node, IP, 80, 4) == {"c": 2, "d": 2}


async def test_internal_policy_local_uses_only_local_pods(world: World) -> None:
    local = service("web", IP, internalTrafficPolicy="Local")
    await world.sync(local, world.slice("web", "abcd"))
    assert await asked(world.node, IP, 80, 10) == {"a": 5, "b": 5}
    await world.sync(local, world.slice("web", "cd"))
    with pytest.raises((OSError, TimeoutError)):
        await ask(world.node, IP, 80, timeout=1)


async def test_an_external_ip_routed_to_the_node_reaches_the_service(world: World) -> None:
    await run("ip", "-n", world.client.namespace, "route", "add", "203.0.113.7/32", "via", world.node.address)
    await world.sync(service("web", IP, externalIPs=["203.0.113.7"]), world.slice("web", "abcd"))
    assert await asked(world.client, "203.0.113.7", 80, 8) == dict.fromkeys("abcd", 2)


async def test_udp_is_spread_by_flow_and_leaves_an_endpoint_that_is_gone(world: World) -> None:
    dns = service("dns", IP, protocol="UDP", node_port=NODE_PORT)
    await world.sync(dns, world.slice("dns", "abcd", protocol="UDP"))
    answers = Counter[str]()
    for _ in range(8):
        with world.pods["a"].socket(type_=socket.SOCK_DGRAM) as sock:
            answers[await ask_udp(sock, IP, 80)] += 1
    assert answers == dict.fromkeys("abcd", 2)
    with world.client.socket(type_=socket.SOCK_DGRAM) as sock:
        assert len({await ask_udp(sock, world.node.address, NODE_PORT) for _ in range(5)}) == 1
    with world.pods["b"].socket(type_=socket.SOCK_DGRAM) as sock:
        first = await ask_udp(sock, IP, 80)
        rest = "".join(sorted({*"abcd"} - {first}))
        await world.sync(dns, world.slice("dns", rest, protocol="UDP"))
        assert await ask_udp(sock, IP, 80) in rest
    with world.node.socket(type_=socket.SOCK_DGRAM) as sock:
        assert await ask_udp(sock, "127.0.0.1", NODE_PORT) in rest


async def test_a_dead_endpoint_that_still_counts_as_ready(world: World) -> None:
    """Userspace asks the next one; the kernel cannot know, so there one connection of three fails."""
    pods = world.slice("web", "abc")
    pods["endpoints"][1]["addresses"] = ["10.244.0.99"]
    await world.sync(service("web", IP), pods)
    answers = Counter[str]()
    for _ in range(6):
        try:
            answers[(await ask(world.node, IP, 80, timeout=5 if world.mode == "userspace" else 0.5))[0]] += 1
        except (OSError, TimeoutError):
            answers["none"] += 1
    assert answers["none"] == (0 if world.mode == "userspace" else 2)
    assert answers["a"] + answers["c"] == 6 - answers["none"]


async def test_what_something_else_changed_is_mended(world: World) -> None:
    await world.sync(service("web", IP), world.slice("web", "abcd"))
    if world.mode == "nftables":
        await world.node.run("nft", "flush", "ruleset")
        await _answers_again(world)
        await world.node.run("nft", "flush", "map", "ip", "wherry", "services")
        await _answers_again(world)
        await world.node.run("nft", "flush", "chain", "ip", "wherry", "prerouting")
        await _answers_again(world)
    else:
        await world.node.run("ip", "route", "del", "local", "10.96.0.0/16", "dev", "lo")
        await _answers_again(world)


async def _answers_again(world: World) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await ask(world.pods["a"], IP, 80, timeout=0.5)
            except (OSError, TimeoutError):
                await asyncio.sleep(0.1)
            else:
                return


async def test_teardown_leaves_nothing(world: World) -> None:
    await world.sync(service("web", IP, node_port=NODE_PORT), world.slice("web", "abcd"))
    await world.tell("teardown", "torn down")
    assert "wherry" not in (await world.node.run("nft", "list", "tables")).stdout
    assert "10.96" not in (await world.node.run("ip", "route", "show", "table", "local")).stdout
