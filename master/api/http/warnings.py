"""Warning headers: what admission and kinds tell a client about its write without refusing it; kubectl prints them.

`Resources` hands `recorder(request).add` down with each write, `ApiServer` adds the headers to the answer, also to an error's.
Bounded as kube-apiserver bounds them: duplicates are dropped, long ones cut when all together are too long.
Source: k8s.io/apiserver pkg/endpoints/filters/warning.go.
"""

import unicodedata

from aiohttp import web

_TOTAL_CHARACTERS = 4096
_CUT_CHARACTERS = 256


class Warnings:
    """The warnings of one request, in the order in which they came."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._characters = 0

    def add(self, text: str) -> None:
        """Whitespace becomes single blanks: a header has one line. What comes after the bound is dropped."""
        line = " ".join(text.split())
        if line and line not in self._texts and self._characters < _TOTAL_CHARACTERS:
            self._texts[line] = None
            self._characters += len(line)

    def headers(self) -> list[str]:
        """The value of each Warning header."""
        limit = _CUT_CHARACTERS if self._characters > _TOTAL_CHARACTERS else _TOTAL_CHARACTERS
        return [warning_header(text[:limit]) for text in self._texts]


_KEY = web.RequestKey("wherry.warnings", Warnings)


def recorder(request: web.Request) -> Warnings:
    """The request's warnings, made when they are first asked for."""
    found = request.get(_KEY)
    if found is None:
        found = request[_KEY] = Warnings()
    return found


def send(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request's warnings to an answer that is not on its way yet."""
    found = request.get(_KEY)
    if found is not None and not response.prepared:
        for header in found.headers():
            response.headers.add("Warning", header)


def warning_header(text: str) -> str:
    """A text as the value of a Warning header: no control characters, no raw quotes (RFC 7234, 5.5)."""
    printable = "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)
    quoted = " ".join(printable.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'
