"""Health endpoints: live is not ready, a failing check is named, a port in use is a clear error."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from agent.server.checks import judge
from agent.server.server import CannotListen, Server, Sources


def test_a_verdict_names_each_check_in_kubernetes_words() -> None:
    verdict = judge("readyz", {"link": lambda: "", "docker": lambda: "no socket"})
    assert not verdict.ok
    assert verdict.text == "[+]link ok\n[-]docker failed: no socket\nreadyz check failed\n"
    assert judge("livez", {}).text == "livez check passed\n"


class Part:
    problem = "not yet"


class Stats:
    async def summary(self, *, only_cpu_and_memory: bool) -> dict[str, Any]:
        return {"node": {"only": only_cpu_and_memory}, "pods": []}

    async def resource_metrics(self) -> str:
        return "resource_scrape_error 0\n"


@asynccontextmanager
async def serving(part: Part) -> AsyncIterator[str]:
    registry = CollectorRegistry()
    Gauge("wherry_test_value", "A value", registry=registry).set(3)
    sources = Sources(
        live={"ping": lambda: ""},
        ready={"part": lambda: part.problem},
        pod_list=lambda: {"apiVersion": "v1", "kind": "PodList", "items": []},
        stats=Stats(),
        metrics=(registry, CollectorRegistry()),
        probes=CollectorRegistry(),
    )
    server = Server(address="127.0.0.1", port=0, sources=sources)
    port = await server.start()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.run())
        await asyncio.sleep(0)
        yield f"http://127.0.0.1:{port}"
        running.cancel()


async def test_endpoints() -> None:
    part = Part()
    async with serving(part) as url, aiohttp.ClientSession() as http:

        async def get(path: str) -> tuple[int, str]:
            async with http.get(url + path) as response:
                return response.status, await response.text()

        assert await get("/healthz") == (200, "ok")
        assert await get("/livez?verbose") == (200, "[+]ping ok\nlivez check passed\n")
        assert await get("/readyz") == (503, "[-]part failed: not yet\nreadyz check failed\n")
        assert await get("/readyz?exclude=part") == (200, "ok")
        part.problem = ""
        assert await get("/readyz") == (200, "ok")
        assert "wherry_test_value 3.0" in (await get("/metrics"))[1]
        assert (await get("/metrics/resource")) == (200, "resource_scrape_error 0\n")
        assert (await get("/stats/summary"))[1] == '{"node":{"only":false},"pods":[]}'
        assert (await get("/stats/summary?only_cpu_and_memory=true"))[1] == '{"node":{"only":true},"pods":[]}'
        assert (await get("/pods"))[1] == '{"apiVersion":"v1","kind":"PodList","items":[]}'
        assert (await get("/nothing"))[0] == 404


async def test_a_port_in_use_is_named() -> None:
    async with serving(Part()) as url:
        port = int(url.rsplit(":", 1)[1])
        server = Server(
            address="127.0.0.1",
            port=port,
            sources=Sources(live={}, ready={}, pod_list=dict, stats=Stats(), metrics=(), probes=CollectorRegistry()),
        )
        with pytest.raises(CannotListen, match=f"{port}: the port is in use"):
            await server.start()
