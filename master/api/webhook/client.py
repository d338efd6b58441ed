"""WebhookClient: posts a review to a webhook over HTTPS and gives its answer back. Used by admission and by CRD conversion.

One per master (`master.api.build`); `close` it when the last write is done. A call is bounded in time, and its answer in
bytes; connections are kept and used again. Nobody is followed elsewhere: a redirect is an error, so that a webhook's owner
cannot send the master to addresses that only the master reaches. Proxies of the environment are not used, and no credentials
are sent. Errors are in the words of Go's HTTP client, which people search for.

Source: k8s.io/apiserver pkg/util/webhook/client.go
"""

import asyncio
import errno
import math
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult

from master.api.webhook.services import NoEndpoint, ServiceEndpoints
from master.api.webhook.trust import BadBundle, Trust
from master.client.protocol import Json

#: Connections open at once, to all webhooks and to one.
_CONNECTIONS = 256
_CONNECTIONS_EACH = 64
_KEEPALIVE_SECONDS = 30.0
#: An answer's bytes, unless the caller says otherwise: an object and its patch fit several times.
ANSWER_BYTES = 16 * 1024 * 1024
#: How much of an error's body is passed on.
_ERROR_TEXT = 2_048
_HOSTNAME_MISMATCH, _EXPIRED, _NOT_YET_VALID = 62, 10, 9


class CallFailed(Exception):
    """A webhook could not be called or did not answer with JSON. `code`: for metrics, 0 when no answer came."""

    def __init__(self, why: str, *, code: int = 0) -> None:
        super().__init__(why)
        self.code = code


class WebhookClient:
    """`post` from any task of the event loop on which the first call was made."""

    def __init__(self, services: ServiceEndpoints) -> None:
        self._services = services
        self._trust = Trust()
        #: Made by the first call: most clusters have no webhooks. By whether the host is a Service's.
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def run(self) -> None:
        """Until cancelled; then close. For who owns the calls' event loop."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def post(self, config: Json, body: bytes, *, seconds: float, answer_bytes: int = ANSWER_BYTES) -> Json:
        """Send `body` (JSON) where a clientConfig (`url` or `service`, `caBundle`) says. Raises CallFailed."""
        url = url_of(config)
        try:
            context = await self._trust.context(config.get("caBundle") or "")
        except BadBundle as error:
            raise CallFailed(str(error)) from error
        session = self._session(is_service="service" in config)
        asked = f"{url}?timeout={math.ceil(seconds)}s"
        try:
            async with asyncio.timeout(seconds):
                try:
                    return await _exchange(session, asked, body, context, answer_bytes)
                except (aiohttp.ServerDisconnectedError, ConnectionResetError):
                    # A kept connection that the server was just closing; reviews may be sent twice.
                    return await _exchange(session, asked, body, context, answer_bytes)
        except TimeoutError:
            raise CallFailed(f'Post "{asked}": context deadline exceeded') from None
        except (aiohttp.ClientError, NoEndpoint, OSError, ValueError) as error:
            raise CallFailed(f'Post "{asked}": {_reason(error)}') from error

    def _session(self, *, is_service: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(is_service)
        if session is None:
            connector = aiohttp.TCPConnector(
                resolver=_ServiceResolver(self._services) if is_service else None,
                use_dns_cache=False,
                limit=_CONNECTIONS,
                limit_per_host=_CONNECTIONS_EACH,
                keepalive_timeout=_KEEPALIVE_SECONDS,
            )
            session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json, */*",
                    "User-Agent": "kube-apiserver-admission",
                },
            )
            self._sessions[is_service] = session
        return session


def url_of(config: Json) -> str:
    """Where a clientConfig points; the host of a Service is its name for TLS. Raises CallFailed."""
    service = config.get("service")
    if service is not None:
        path = service.get("path") or "/"
        return f"https://{service['name']}.{service['namespace']}.svc:{service.get('port') or 443}/{path.lstrip('/')}"
    url = config.get("url") or ""
    if not url:
        raise CallFailed("webhook configuration must have either service or URL")
    try:
        parts = urlsplit(url)
        _ = parts.port
        fits = parts.scheme == "https" and parts.hostname and not (parts.username or parts.query or parts.fragment)
    except ValueError:
        fits = False
    if not fits or not url.isprintable():
        raise CallFailed(f"Unparsable URL: {url}")
    return str(url)


async def _exchange(session: aiohttp.ClientSession, url: str, body: bytes, context: ssl.SSLContext, limit: int) -> Json:
    async with session.post(url, data=body, ssl=context, allow_redirects=False) as response:
        raw = bytearray()
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) > limit:
                response.close()
                raise CallFailed(f"the answer is longer than {limit} bytes", code=response.status)
        if not 200 <= response.status < 300:
            raise CallFailed(_refusal(response.status, bytes(raw)), code=response.status)
    try:
        answer: Any = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise CallFailed(f"couldn't get version/kind; json parse error: {error}", code=response.status) from error
    if not isinstance(answer, dict):
        raise CallFailed("couldn't get version/kind; json parse error: the answer is no object", code=response.status)
    return answer


class _ServiceResolver(AbstractResolver):
    """Turns "<name>.<namespace>.svc" and a Service's port into addresses of endpoints and their ports."""

    def __init__(self, services: ServiceEndpoints) -> None:
        self._services = services

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        name, namespace, _ = host.split(".", 2)
        return [
            ResolveResult(hostname=host, host=found.address, port=found.port, family=family, proto=0, flags=0)
            for found in self._services.resolve(namespace, name, port)
        ]

    async def close(self) -> None:
        return None


def _refusal(code: int, raw: bytes) -> str:
    """What client-go says of an answer that is not 2xx."""
    text = raw[:_ERROR_TEXT].decode(errors="replace").strip()
    try:
        status = orjson.loads(raw)
        if isinstance(status, dict) and status.get("kind") == "Status" and isinstance(status.get("message"), str):
            return str(status["message"][:_ERROR_TEXT])
    except orjson.JSONDecodeError:
        pass
    match code:
        case 400:
            return "the server rejected our request for an unknown reason"
        case 401:
            return "the server has asked for the client to provide credentials"
        case 403:
            return text or "forbidden"
        case 404:
            return "the server could not find the requested resource"
        case 405:
            return "the server does not allow this method on the requested resource"
        case 413:
            return f"Request entity too large: {text}"
        case 429:
            return "the server has received too many requests and has asked us to try again later"
        case 503:
            return "the server is currently unable to handle the request"
        case 504:
            return "the server was unable to return a response in the time allotted, but may still be processing the request"
    if code >= 500:
        return f'an error on the server ("{text or "unknown"}") has prevented the request from succeeding'
    return f"the server responded with the status code {code} but did not return more information"


def _reason(error: Exception) -> str:
    """An error of the connection as Go words it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate_reason(error.certificate_error, str(error.host))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"tls: {getattr(error.os_error, 'reason', '') or error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        what = "connection refused" if number == errno.ECONNREFUSED else error.os_error.strerror or str(error.os_error)
        return f"dial tcp {error.host}:{error.port}: connect: {what.lower()}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        # Not in its own words: they quote what came, and who names a URL may not read what answers there.
        return "malformed HTTP response"
    return str(error) or type(error).__name__


def _certificate_reason(error: Exception, host: str) -> str:
    prefix = "tls: failed to verify certificate: x509: "
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
    if code == _HOSTNAME_MISMATCH:
        return f"{prefix}certificate is not valid for {host}"
    if code in (_EXPIRED, _NOT_YET_VALID):
        return f"{prefix}certificate has expired or is not yet valid"
    return f"{prefix}certificate signed by unknown authority"
