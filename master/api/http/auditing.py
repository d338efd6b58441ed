"""Auditor: begins and ends the audit event of each request. Called by `ApiServer`; there is none when the log is off."""

from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from master.api.audit.current import CURRENT
from master.api.audit.event import AuditEvent, source_ips
from master.api.audit.log import AuditLog
from master.api.audit.policy import AuditPolicy, Level
from master.api.auth.protocol import UserInfo
from master.api.http.exchange import Exchange
from master.api.http.request_info import RequestInfo

_DECISION, _REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"


class Auditor:
    """`body_bytes`: longer bodies are left out of the log."""

    def __init__(self, policy: AuditPolicy, log: AuditLog, *, body_bytes: int) -> None:
        self._policy = policy
        self._log = log
        self._body_bytes = body_bytes

    async def run(self) -> None:
        """Write the log until cancelled."""
        await self._log.run()

    def begin(self, request: web.Request, exchange: Exchange, info: RequestInfo, user: UserInfo) -> None:
        """A request whose user is known; nothing for one that the policy does not want."""
        decision = self._policy.decide(info.attributes(user))
        if decision.level is Level.NONE:
            return
        event = AuditEvent(
            exchange.audit_id,
            decision,
            info=info,
            uri=request.raw_path,
            user=user,
            source_ips=source_ips(request.headers, request.remote),
            agent=request.headers.get("User-Agent", ""),
            received=datetime.now(UTC),
            body_bytes=self._body_bytes,
        )
        exchange.event = event
        CURRENT.set(event)
        self._write(event, "RequestReceived")

    def impersonated(self, exchange: Exchange, user: UserInfo) -> None:
        if exchange.event is not None:
            exchange.event.impersonated(user)

    def authorized(self, exchange: Exchange, *, allowed: bool, reason: str) -> None:
        if exchange.event is not None:
            exchange.event.annotate(_DECISION, "allow" if allowed else "forbid")
            if reason:
                exchange.event.annotate(_REASON, reason)

    def started(self, exchange: Exchange, code: int) -> None:
        """The answer of a long-running request begins."""
        if exchange.event is not None:
            exchange.event.status(code)
            self._write(exchange.event, "ResponseStarted")

    def ended(self, exchange: Exchange, code: int) -> None:
        event = exchange.event
        if event is None:
            return
        event.status(code, exchange.failure)
        if exchange.failure is not None:
            event.response_object(orjson.dumps(exchange.failure))
        self._write(event, "Panic" if exchange.panicked else "ResponseComplete")

    def unauthenticated(self, request: web.Request, exchange: Exchange, info: RequestInfo) -> None:
        """A request whose credentials are wrong or missing."""
        self.begin(request, exchange, info, UserInfo(""))
        if exchange.event is not None:
            scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
            attempted = f", attempted: {scheme}" if scheme in ("bearer", "basic") else ""
            exchange.failure = {"status": "Failure", "message": f"Authentication failed{attempted}", "reason": "Unauthorized"}

    def _write(self, event: AuditEvent, stage: str) -> None:
        shown: dict[str, Any] | None = event.at(stage, datetime.now(UTC))
        if shown is not None:
            self._log.offer(shown, event.body_length)
