"""ApiServer: one request from TLS to its answer. Built by `master.api.build`, run by `master.app`.

    who asks → as whom → their turn (flowcontrol) → may they → resource or system path → answer, or a Status for every error

No request ends the server, and no input makes a 500: what is raised here is a StatusError, or a bug, which is logged with its
traceback while the client gets Kubernetes' InternalError.
"""

import asyncio
import errno
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from master.api.auth.authentication import Authentication
from master.api.auth.authorization import Authorization, forbidden
from master.api.auth.impersonation import acting_as
from master.api.auth.protocol import ANONYMOUS_USER, Attributes, UserInfo
from master.api.flowcontrol.dispatcher import Dispatcher
from master.api.flowcontrol.levels import flow_of
from master.api.flowcontrol.long_running import LongRunning
from master.api.http.auditing import Auditor
from master.api.http.connections import Connection, Connections
from master.api.http.exchange import Exchange, exchange_of
from master.api.http.metrics import ApiMetrics
from master.api.http.query import is_true
from master.api.http.request_info import RequestInfo, parse
from master.api.http.resources import PROXY, STREAMING, Resources
from master.api.http.responses import error_response
from master.api.http.reviews import ReviewResponder
from master.api.http.system_paths import SystemPaths
from master.api.http.warnings import send as send_warnings
from master.api.http.writes import Writes
from master.api.settings import ApiSettings
from master.api.streaming.websocket import bearer_token
from master.client.errors import StatusError

_log = logging.getLogger(__name__)
_KEEPALIVE_SECONDS = 120.0


class _OnlyBugs(logging.Filter):
    """What clients send that is no HTTP gets 400 from aiohttp; its traceback is no operator's business."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError)


_protocol_log = logging.getLogger(f"{__name__}.protocol")
_protocol_log.addFilter(_OnlyBugs())


class CannotListen(Exception):
    """The address is not ours or the port is in use; says which."""


class ApiServer:
    """`started` is set while it listens, on `port`."""

    def __init__(
        self,
        settings: ApiSettings,
        *,
        ssl_context: ssl.SSLContext,
        authentication: Authentication,
        authorization: Authorization,
        resources: Resources,
        reviews: ReviewResponder,
        system_paths: SystemPaths,
        writes: Writes,
        metrics: ApiMetrics,
        dispatcher: Dispatcher,
        auditor: Auditor | None,
        background: Mapping[str, Callable[[], Awaitable[None]]],
    ) -> None:
        """`background`: what runs beside the server as long as it serves, by name."""
        self._settings = settings
        self._ssl_context = ssl_context
        self._authentication = authentication
        self._authorization = authorization
        self._resources = resources
        self._reviews = reviews
        self._system_paths = system_paths
        self._writes = writes
        self._metrics = metrics
        self._dispatcher = dispatcher
        self._auditor = auditor
        self._connections = Connections(settings.max_connections, settings.header_timeout_seconds)
        self._background = background
        self._places = LongRunning(settings.max_long_running)
        self._long_running: set[asyncio.Task[Any]] = set()
        self.started = asyncio.Event()
        self.port = settings.port

    async def run(self) -> None:
        """Serve until cancelled, then let the requests that are being answered end. Raises CannotListen."""
        application = web.Application(client_max_size=self._settings.max_body_bytes)
        application.router.add_route("*", "/{path:(?s:.*)}", self._handle)  # a path may have line breaks
        application.on_response_prepare.append(self._prepared)
        runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=self._settings.drain_seconds,
        )
        await runner.setup()
        assert runner.server is not None
        try:
            async with asyncio.TaskGroup() as tasks:
                self._writes.use(tasks)
                listener = await self._listen(runner.server)
                tasks.create_task(self._connections.run(), name="connections")
                if self._auditor is not None:
                    tasks.create_task(self._auditor.run(), name="audit log")
                beside = [tasks.create_task(_lasting(run), name=name) for name, run in self._background.items()]
                self.started.set()
                _log.info("serving the Kubernetes API", extra={"address": self._settings.address, "port": self.port})
                try:
                    await asyncio.Event().wait()
                finally:
                    self.started.clear()
                    listener.close()
                    for task in list(self._long_running):
                        task.cancel()
                    await runner.cleanup()
                    for task in beside:
                        task.cancel()
        finally:
            self._writes.use(None)
            await runner.cleanup()

    async def _listen(self, server: web.Server) -> asyncio.Server:
        settings = self._settings

        def connection() -> Connection:
            return Connection(
                self._connections,
                server,
                access_log=None,
                logger=_protocol_log,
                auto_decompress=False,
                keepalive_timeout=_KEEPALIVE_SECONDS,
            )

        try:
            listener = await asyncio.get_running_loop().create_server(
                connection,
                settings.address,
                settings.port,
                ssl=self._ssl_context,
                backlog=1024,
                reuse_address=True,
                ssl_handshake_timeout=settings.header_timeout_seconds,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = "the port is in use by another process"
            elif error.errno == errno.EADDRNOTAVAIL:
                why = "this host does not have that address"
            else:
                why = error.strerror or str(error)
            raise CannotListen(f"cannot serve the API on {settings.address}:{settings.port}: {why}") from error
        self.port = listener.sockets[0].getsockname()[1]
        return listener

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._connections.began(request)
        began = time.monotonic()
        info = parse(
            request.method,
            request.path,
            watch=is_true(request.query.get("watch", "")),
            field_selector=request.query.get("fieldSelector", ""),
        )
        long_running = _is_long_running(info, request)
        exchange = Exchange(request, long_running=long_running)
        code = 500
        try:
            response = await self._answer(request, info, exchange)
            code = response.status
        except StatusError as error:
            code = error.code
            exchange.failure = exchange.failure or error.body
            response = error_response(error)
        except (ConnectionError, asyncio.CancelledError):
            code = 499  # the client went away: nobody reads an answer
            raise
        except web.HTTPException:
            raise
        except Exception:  # noqa: BLE001 - the boundary: one request's bug must not become another's
            _log.exception("request failed", extra={"verb": info.verb, "path": info.path})
            internal = StatusError(500, "InternalError", "Internal error occurred: see the server's log")
            exchange.failure, exchange.panicked = internal.body, True
            response = error_response(internal)
        finally:
            if self._auditor is not None:
                self._auditor.ended(exchange, code)
            self._connections.ended(request)
            if self._resources.serves(info):
                self._metrics.observe(info, code, None if long_running else time.monotonic() - began)
        send_warnings(request, response)
        return response

    async def _answer(self, request: web.Request, info: RequestInfo, exchange: Exchange) -> web.StreamResponse:
        asking = await self._user(request, info, exchange)
        if self._auditor is not None:
            self._auditor.begin(request, exchange, info, asking)
        user = acting_as(request.headers, asking, self._authorization)
        if self._auditor is not None and user is not asking:
            self._auditor.impersonated(exchange, user)
        if not exchange.long_running:
            return await self._answer_in_turn(request, info, user, exchange)
        with self._places.place(user):
            return await self._answer_long(request, info, user, exchange)

    async def _answer_long(
        self, request: web.Request, info: RequestInfo, user: UserInfo, exchange: Exchange
    ) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._long_running.add(task)
        self._metrics.long_running.inc()
        try:
            if info.verb == "watch":
                # Its first list is work as any other; `_prepared` gives the seat back once it is sent.
                return await self._answer_in_turn(request, info, user, exchange)
            return await self._answer_user(request, info, user, exchange)
        finally:
            self._long_running.discard(task)
            self._metrics.long_running.dec()

    async def _answer_in_turn(
        self, request: web.Request, info: RequestInfo, user: UserInfo, exchange: Exchange
    ) -> web.StreamResponse:
        flow = flow_of(user, info)
        if flow.level is not None:
            exchange.seat = await self._dispatcher.enter(flow, flow.level)
        gauge = self._metrics.reading if info.verb in ("get", "list") else self._metrics.mutating
        counted = 0 if exchange.long_running else 1
        gauge.inc(counted)
        try:
            return await self._answer_user(request, info, user, exchange)
        finally:
            gauge.dec(counted)
            exchange.leave_seat()

    async def _answer_user(
        self, request: web.Request, info: RequestInfo, user: UserInfo, exchange: Exchange
    ) -> web.StreamResponse:
        self._authorize(info.attributes(user), exchange)
        if info.is_resource:
            if self._reviews.serves(info):
                return await self._reviews.respond(request, info, user)
            return await self._resources.respond(request, info, user)
        return await self._system_paths.respond(request, info, user)

    def _authorize(self, attributes: Attributes, exchange: Exchange) -> None:
        decision = self._authorization.authorize(attributes)
        if self._auditor is not None:
            self._auditor.authorized(exchange, allowed=decision.allowed, reason=decision.reason)
        if not decision.allowed:
            raise forbidden(attributes, decision.reason)

    async def _prepared(self, request: web.Request, response: web.StreamResponse) -> None:
        """The answer's head is about to leave."""
        exchange = exchange_of(request)
        if exchange is None:
            return
        exchange.mark(response)
        if exchange.long_running:
            exchange.leave_seat()
            if self._auditor is not None:
                self._auditor.started(exchange, response.status)

    async def _user(self, request: web.Request, info: RequestInfo, exchange: Exchange) -> UserInfo:
        header = request.headers.get("Authorization", "")
        if not header and (token := bearer_token(request)):
            header = f"Bearer {token}"
        try:
            user = await self._authentication.authenticate(_peer_certificate(request), header)
        except StatusError as error:
            if self._auditor is not None and error.code == 401:
                self._auditor.unauthenticated(request, exchange, info)
            raise
        # Whoever shows nothing is anonymous and may what the roles give to system:unauthenticated, as in Kubernetes.
        return ANONYMOUS_USER if user is None else user


async def _lasting(run: Callable[[], Awaitable[None]]) -> None:
    await run()
    raise RuntimeError("a part of the API that runs in the background ended by itself")


def _is_long_running(info: RequestInfo, request: web.Request) -> bool:
    if info.verb == "watch" or info.subresource in STREAMING or info.subresource == PROXY:
        return True
    return info.subresource == "log" and is_true(request.query.get("follow", ""))


def _peer_certificate(request: web.Request) -> Mapping[str, Any] | None:
    """The verified client certificate of the connection, or None."""
    transport = request.transport
    if transport is None:
        return None
    certificate: Mapping[str, Any] | None = transport.get_extra_info("peercert")
    return certificate
