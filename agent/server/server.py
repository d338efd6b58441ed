"""aiohttp server of the agent: health, metrics, stats, pods. Run by `agent.app`; aiohttp's server stays here.

Bound to loopback (the settings refuse anything else), because nobody is asked who they are. It only reads what others tell.

- livez, healthz: the process and its event loop work; a broken link or engine is no reason to restart the agent.
- readyz: every part works. `?verbose` lists the parts; a failing answer (503) always does. `?exclude=NAME` leaves one out.
- metrics: the agent's own and kubelet's; metrics/resource: usage of pods and node; metrics/probes: how probes ended.
- stats/summary: kubelet's Summary API; with `?only_cpu_and_memory=true` without disks and network.
- pods: the pods that this node runs, as the kubelet's read-only endpoint has them (a v1 PodList).
"""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from agent.server.checks import Check, judge

#: What kubelet calls true in a query.
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})

_LOG = logging.getLogger(__name__)


class CannotListen(Exception):
    """The health server's address cannot be used; says which and why."""


class StatsSource(Protocol):
    """What pods and the node use."""

    async def summary(self, *, only_cpu_and_memory: bool) -> dict[str, Any]: ...

    async def resource_metrics(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What the server tells. `pod_list` gives a v1 PodList as JSON; `probes`: the metrics of probes alone."""

    live: Mapping[str, Check]
    ready: Mapping[str, Check]
    pod_list: Callable[[], dict[str, Any]]
    stats: StatsSource
    metrics: Sequence[CollectorRegistry]
    probes: CollectorRegistry


class Server:
    """`start` binds (so that a port in use stops the start with a clear error), `run` serves until cancelled."""

    def __init__(self, *, address: str, port: int, sources: Sources) -> None:
        self._address = address
        self._port = port
        self._sources = sources
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Bind; returns the port. Raises CannotListen."""
        application = web.Application(client_max_size=0)
        application.add_routes(
            [
                web.get("/healthz", self._answer("healthz", self._sources.live)),
                web.get("/livez", self._answer("livez", self._sources.live)),
                web.get("/readyz", self._answer("readyz", self._sources.ready)),
                web.get("/metrics", self._metrics(*self._sources.metrics)),
                web.get("/metrics/probes", self._metrics(self._sources.probes)),
                web.get("/metrics/resource", self._resource_metrics),
                web.get("/stats/summary", self._summary),
                web.post("/stats/summary", self._summary),
                web.get("/pods", self._pods),
            ]
        )
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await runner.setup()
        site = web.TCPSite(runner, self._address, self._port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            why = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
            raise CannotListen(
                f"health server cannot listen on {self._address}:{self._port}: {why}; set health.port to another one"
            ) from error
        self._runner = runner
        port: int = runner.addresses[0][1]
        _LOG.info("health server listens", extra={"address": self._address, "port": port})
        return port

    async def run(self) -> None:
        """Serve until cancelled. `start` comes first."""
        if self._runner is None:
            raise RuntimeError("the server was not started")
        try:
            await asyncio.Event().wait()
        finally:
            await self._runner.cleanup()

    def _answer(self, name: str, checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            excluded = set(request.query.getall("exclude", []))
            verdict = judge(name, {check: tell for check, tell in checks.items() if check not in excluded})
            verbose = "verbose" in request.query or not verdict.ok
            return web.Response(text=verdict.text if verbose else "ok", status=200 if verdict.ok else 503)

        return answer

    def _metrics(self, *registries: CollectorRegistry) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=b"".join(map(generate_latest, registries)), headers={"Content-Type": CONTENT_TYPE_LATEST})

        return answer

    async def _resource_metrics(self, request: web.Request) -> web.Response:
        body = await self._sources.stats.resource_metrics()
        return web.Response(body=body.encode(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _summary(self, request: web.Request) -> web.Response:
        only = request.query.get("only_cpu_and_memory", "") in _TRUE
        told = await self._sources.stats.summary(only_cpu_and_memory=only)
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    async def _pods(self, request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._sources.pod_list()), content_type="application/json")
