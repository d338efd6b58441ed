"""URLs: url(x), isURL(x) and their parts, as Go's net/url reads them."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from master.api.cel import cost
from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class NoUrl(ValueError):
    """The text is no absolute URL or path; why is in Go's words."""


@dataclass(frozen=True, slots=True)
class Url:
    parts: SplitResult


def parse(text: str) -> Url:
    """An absolute URI or an absolute path (Go's url.ParseRequestURI). Raises NoUrl."""
    problem = ""
    if not text:
        problem = "empty url"
    elif _CONTROL.search(text):
        problem = "net/url: invalid control character in URL"
    elif not text.startswith("/") and not _SCHEME.match(text):
        problem = "missing protocol scheme" if text.startswith(":") else "invalid URI for request"
    elif bad := _BAD_ESCAPE.search(text.partition("?")[0]):
        problem = f'invalid URL escape "{text[bad.start() :][:3]}"'
    if problem:
        raise NoUrl(f'parse "{text[:256]}": {problem}')
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise NoUrl(f'parse "{text[:256]}": invalid port or host: {error}') from error
    if " " in parts.netloc:
        raise NoUrl(f'parse "{text[:256]}": invalid character " " in host name')
    return Url(parts)


def _url(text: str) -> Url:
    try:
        return parse(text)
    except NoUrl as error:
        raise EvaluationError(f"URL parse error during conversion from string: {error}") from error


def _is_url(text: str) -> bool:
    try:
        parse(text)
    except NoUrl:
        return False
    return True


def _host(url: Url) -> str:
    return url.parts.netloc.rpartition("@")[2]


def _hostname(url: Url) -> str:
    host = _host(url)
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _port(url: Url) -> str:
    host = _host(url)
    return host.rpartition("]")[2].partition(":")[2]


def _escaped_path(url: Url) -> str:
    return quote(unquote(url.parts.path), safe="/:@!$&'()*+,;=~-._")


OVERLOADS = (
    define("url", "(string) -> kubernetes.URL", _url, cost.of_first),
    define("isURL", "(string) -> bool", _is_url, cost.of_first),
    define("getScheme", "kubernetes.URL.() -> string", lambda url: url.parts.scheme),
    define("getHost", "kubernetes.URL.() -> string", _host),
    define("getHostname", "kubernetes.URL.() -> string", _hostname),
    define("getPort", "kubernetes.URL.() -> string", _port),
    define("getEscapedPath", "kubernetes.URL.() -> string", _escaped_path),
    define(
        "getQuery",
        "kubernetes.URL.() -> map(string, list(string))",
        lambda url: parse_qs(url.parts.query, keep_blank_values=True, max_num_fields=10_000),
    ),
)
