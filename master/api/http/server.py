"""ApiServer: one request from TLS to its answer. Built by `master.api.build`, run by `master.app`.

    limit in flight → who asks → as whom → may they → resource or system path → answer, or a Status for every error

No request ends the server, and no input makes a 500: what is raised here is a StatusError, or a bug, which is logged with its
traceback while the client gets Kubernetes' InternalError.
"""

import asyncio
import errno
import logging
import ssl
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import Gauge

from master.api.auth.authentication import Authentication
from master.api.auth.authorization import Authorization
from master.api.auth.impersonation import acting_as
from master.api.auth.protocol import ANONYMOUS_USER, UserInfo
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
_RETRY_AFTER_SECONDS = 1


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
    ) -> None:
        self._settings = settings
        self._ssl_context = ssl_context
        self._authentication = authentication
        self._authorization = authorization
        self._resources = resources
        self._reviews = reviews
        self._system_paths = system_paths
        self._writes = writes
        self._metrics = metrics
        self._in_flight = 0
        self._long_running: set[asyncio.Task[Any]] = set()
        self.started = asyncio.Event()
        self.port = settings.port

    async def run(self) -> None:
        """Serve until cancelled, then let the requests that are being answered end. Raises CannotListen."""
        application = web.Application(client_max_size=self._settings.max_body_bytes)
        application.router.add_route("*", "/{path:(?s:.*)}", self._handle)  # a path may have line breaks
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=_protocol_log,
            auto_decompress=False,
            handler_cancellation=True,
            keepalive_timeout=120.0,
            shutdown_timeout=self._settings.drain_seconds,
        )
        await runner.setup()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._writes.use(tasks)
                await self._listen(runner)
                self.started.set()
                _log.info("serving the Kubernetes API", extra={"address": self._settings.address, "port": self.port})
                try:
                    await asyncio.Event().wait()
                finally:
                    self.started.clear()
                    for task in list(self._long_running):
                        task.cancel()
                    await runner.cleanup()
        finally:
            self._writes.use(None)
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        settings = self._settings
        site = web.TCPSite(
            runner, settings.address, settings.port, ssl_context=self._ssl_context, backlog=1024, reuse_address=True
        )
        try:
            await site.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = "the port is in use by another process"
            elif error.errno == errno.EADDRNOTAVAIL:
                why = "this host does not have that address"
            else:
                why = error.strerror or str(error)
            raise CannotListen(f"cannot serve the API on {settings.address}:{settings.port}: {why}") from error
        self.port = runner.addresses[0][1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        info = parse(
            request.method,
            request.path,
            watch=is_true(request.query.get("watch", "")),
            field_selector=request.query.get("fieldSelector", ""),
        )
        long_running = _is_long_running(info, request)
        code = 500
        try:
            with _Counted(self, info, long_running=long_running):
                response = await self._answer(request, info)
            code = response.status
        except StatusError as error:
            code = error.code
            response = error_response(error)
        except (ConnectionError, asyncio.CancelledError):
            code = 499  # the client went away: nobody reads an answer
            raise
        except web.HTTPException:
            raise
        except Exception:  # noqa: BLE001 - the boundary: one request's bug must not become another's
            _log.exception("request failed", extra={"verb": info.verb, "path": info.path})
            response = error_response(StatusError(500, "InternalError", "Internal error occurred: see the server's log"))
        finally:
            if self._resources.serves(info):
                self._metrics.observe(info, code, None if long_running else time.monotonic() - began)
        send_warnings(request, response)
        return response

    async def _answer(self, request: web.Request, info: RequestInfo) -> web.StreamResponse:
        user = acting_as(request.headers, await self._user(request), self._authorization)
        self._authorization.check(info.attributes(user))
        if info.is_resource:
            if self._reviews.serves(info):
                return await self._reviews.respond(request, info, user)
            return await self._resources.respond(request, info, user)
        return await self._system_paths.respond(request, info, user)

    async def _user(self, request: web.Request) -> UserInfo:
        header = request.headers.get("Authorization", "")
        if not header and (token := bearer_token(request)):
            header = f"Bearer {token}"
        user = await self._authentication.authenticate(_peer_certificate(request), header)
        # Whoever shows nothing is anonymous and may what the roles give to system:unauthenticated, as in Kubernetes.
        return ANONYMOUS_USER if user is None else user

    def enter(self, *, long_running: bool) -> None:
        """Count a request. Raises StatusError 429 when there are too many."""
        full = (
            len(self._long_running) >= self._settings.max_long_running
            if long_running
            else self._in_flight >= self._settings.max_in_flight
        )
        if full:
            raise StatusError(
                429,
                "TooManyRequests",
                "Too many requests, please try again later.",
                details={"retryAfterSeconds": _RETRY_AFTER_SECONDS},
            )
        if long_running:
            task = asyncio.current_task()
            assert task is not None
            self._long_running.add(task)
            self._metrics.long_running.inc()
        else:
            self._in_flight += 1

    def leave(self, *, long_running: bool) -> None:
        if long_running:
            task = asyncio.current_task()
            assert task is not None
            self._long_running.discard(task)
            self._metrics.long_running.dec()
        else:
            self._in_flight -= 1

    def gauge(self, info: RequestInfo) -> Gauge:
        """The gauge of requests like this one."""
        return self._metrics.reading if info.verb in ("get", "list") else self._metrics.mutating


class _Counted:
    """Counts one request while it is answered."""

    def __init__(self, server: ApiServer, info: RequestInfo, *, long_running: bool) -> None:
        self._server = server
        self._info = info
        self._long_running = long_running

    def __enter__(self) -> None:
        self._server.enter(long_running=self._long_running)
        if not self._long_running:
            self._server.gauge(self._info).inc()

    def __exit__(self, *_: object) -> None:
        self._server.leave(long_running=self._long_running)
        if not self._long_running:
            self._server.gauge(self._info).dec()


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
