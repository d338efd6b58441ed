"""Does an HTTP request succeed: a status from 200 to 399. One connection per probe; certificates are not verified.

Redirects on the same host are followed; one that leads to another host is a warning and counts as success, as in kubelet.
https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#http-probes
"""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from lightkube.models.core_v1 import HTTPGetAction

from agent.probes.dial import dial_problem
from agent.probes.http_exchange import MalformedResponse, Response, get
from agent.probes.protocol import ProbeResult, ProbeTarget
from agent.runtime.protocol import Streams
from proto.version import KUBERNETES_VERSION

_MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_USER_AGENT = f"kube-probe/{'.'.join(KUBERNETES_VERSION.split('.')[:2])}"
#: What may stand in a request's target as it is; "%" since manifests give encoded ones.
_SAFE = "/%?=&:;+$,@!~*'()[]|-._"


class _InvalidRequest(Exception):
    """Go refuses to send it; the message is Go's."""


@dataclass(frozen=True, slots=True)
class _URL:
    """path: with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


class HTTPProber:
    source = "httpGet"

    async def probe(self, handler: HTTPGetAction, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
        try:
            port = target.port(handler.port)
        except ValueError as error:
            return ProbeResult("unknown", str(error))
        url = _URL((handler.scheme or "HTTP").lower(), handler.host or target.address, port, _path(handler.path or "/"))
        try:
            async with asyncio.timeout(timeout):
                response, url, problem = await _follow(url, _headers(handler))
        except TimeoutError:
            problem = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return ProbeResult("failure", f'Get "{url}": {problem}')
        except _InvalidRequest as error:
            return ProbeResult("failure", f'Get "{url}": {error}')
        if problem:
            return ProbeResult("failure", f'Get "{url}": {problem}')
        assert response is not None
        return _judge(response)


def _judge(response: Response) -> ProbeResult:
    body = response.body.decode("utf-8", "replace")
    if 200 <= response.status < 300:
        return ProbeResult("success", body)
    if 300 <= response.status < 400:
        return ProbeResult("warning", f"Probe terminated redirects, Response body: {body}")
    return ProbeResult("failure", f"HTTP probe failed with statuscode: {response.status}")


async def _follow(url: _URL, headers: dict[str, list[str]]) -> tuple[Response | None, _URL, str]:
    """The last answer, whose it is, and in Go's words why there is none."""
    first = url
    for _ in range(_MAX_REDIRECTS):
        try:
            response = await get(url.host, url.port, _request(url, headers), tls=url.scheme == "https")
        except (OSError, MalformedResponse) as error:
            return None, url, _problem(error, url)
        if response.status not in _REDIRECTS or not response.location:
            return response, url, ""
        following = _joined(url, response.location)
        if following is None:
            return None, url, f'failed to parse Location header "{response.location}"'
        if following.host != first.host:
            return response, url, ""
        url = following
    return None, url, f"stopped after {_MAX_REDIRECTS} redirects"


def _problem(error: Exception, url: _URL) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"
    return dial_problem(error, url.host, url.port) if isinstance(error, OSError) else str(error)


def _path(path: str) -> str:
    path = quote(path.partition("#")[0], safe=_SAFE)
    return path if path.startswith("/") else f"/{path}"


def _joined(url: _URL, location: str) -> _URL | None:
    """Where a redirect leads; None when that is no URL."""
    try:
        parts = urlsplit(urljoin(str(url), location))
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return _URL(parts.scheme, parts.hostname, port, _path(f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path))


def _headers(handler: HTTPGetAction) -> dict[str, list[str]]:
    """In Go's canonical spelling. Raises _InvalidRequest for what would break the request apart."""
    headers: dict[str, list[str]] = {}
    for header in handler.httpHeaders or ():
        name = "-".join(part.capitalize() for part in header.name.split("-"))
        if any((ord(letter) < 32 and letter != "\t") or ord(letter) == 127 for letter in header.value):
            raise _InvalidRequest(f'net/http: invalid header field value for "{name}"')
        headers.setdefault(name, []).append(header.value)
    for name, default in (("User-Agent", _USER_AGENT), ("Accept", "*/*")):
        if name not in headers:
            headers[name] = [default]
        elif not headers[name][0]:
            # A header that is given empty is left out, as kubelet does.
            del headers[name]
    return headers


def _request(url: _URL, headers: dict[str, list[str]]) -> bytes:
    host = next(iter(headers.get("Host", ())), "") or url.authority
    lines = [f"GET {url.path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, values in headers.items() if name not in ("Host", "Connection") for value in values]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


PROBER = HTTPProber()
