"""Headers on their way through the proxy: what is dropped, added and rewritten.

Source: k8s.io/apimachinery/pkg/util/proxy, and Go's httputil.ReverseProxy below it.
"""

import posixpath
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit, urlunsplit

from aiohttp import web
from multidict import CIMultiDict

#: They are about one connection (RFC 9110, 7.6.1), not about what passes.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "proxy-connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: Who asks is this server's secret: a pod gets neither the client's token nor a header that would let it pass for another.
_OF_THE_CLIENT = frozenset({"authorization", "expect", "content-length", "x-forwarded-for"})
_IDENTITY_PREFIXES = ("impersonate-", "x-remote-")
#: What a pod says about origins would be taken for this server's word.
_CORS = frozenset(
    {
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
    }
)


def upstream(request: web.Request, *, upgrade: bool) -> Iterator[tuple[str, str]]:
    """The client's headers as the target gets them, without framing."""
    named = _named_by_connection(request.headers.getall("Connection", []))
    for name, value in request.headers.items():
        lower = name.lower()
        if lower in _HOP_BY_HOP or lower in named or lower in _OF_THE_CLIENT or lower.startswith(_IDENTITY_PREFIXES):
            continue
        if lower in ("x-forwarded-uri", "x-forwarded-host", "x-forwarded-proto"):
            continue
        if lower.startswith("sec-websocket-protocol") and (value := _without_token(value)) == "":
            continue
        yield name, value
    before = [value for value in request.headers.getall("X-Forwarded-For", []) if value]
    yield "X-Forwarded-For", ", ".join([*before, request.remote or "unknown"])
    yield "X-Forwarded-Uri", request.rel_url.raw_path
    yield "X-Forwarded-Host", request.host
    yield "X-Forwarded-Proto", request.scheme
    if upgrade:
        yield "Connection", "Upgrade"
        yield "Upgrade", request.headers.get("Upgrade", "")
    else:
        yield "Connection", "close"


def downstream(headers: CIMultiDict[str]) -> Iterator[tuple[str, str]]:
    """The target's headers as the client gets them, without framing."""
    named = _named_by_connection(headers.getall("Connection", []))
    for name, value in headers.items():
        lower = name.lower()
        if lower not in _HOP_BY_HOP and lower not in named and lower not in _CORS and lower != "content-length":
            yield name, value


def _named_by_connection(values: list[str]) -> set[str]:
    return {text.strip().lower() for value in values for text in value.split(",")}


def _without_token(value: str) -> str:
    kept = [text.strip() for text in value.split(",") if not text.strip().startswith("base64url.bearer.")]
    return ", ".join(text for text in kept if text)


class Rewriter:
    """URLs of a target so that they lead through the proxy. `prefix`: the path of the proxy subresource, without its end."""

    def __init__(self, prefix: str, *, target_host: str, request_host: str) -> None:
        self._prefix = prefix
        self._own = ("", target_host, request_host)
        self._request_host = request_host

    def rewrite(self, url: str) -> str:
        """A URL of another host, a relative one, or one that is none stays as it is."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return url
        if parts.netloc not in self._own or not parts.path.startswith("/"):
            return url
        if parts.netloc != self._request_host:
            parts = SplitResult("", "", parts.path, parts.query, parts.fragment)
        if parts.path.startswith(self._prefix):
            return urlunsplit(parts)
        path = posixpath.normpath(self._prefix + parts.path)
        if parts.path.endswith("/"):
            path += "/"
        return urlunsplit(SplitResult(parts.scheme, parts.netloc, path, parts.query, parts.fragment))
