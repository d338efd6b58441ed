"""Links in a proxied HTML page: those to the target's own host lead through the proxy. Pure.

As kube-apiserver does: only attributes that hold URLs, only pages that say they are text/html, none of style or script.
"""

import time
import zlib
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser

#: Larger pages pass as they are.
MAX_PAGE_BYTES = 4 << 20
#: Processor time that a page may take; a common one of the largest size takes less.
_MAX_SECONDS = 5.0

#: Attributes with URLs, by tag (https://www.w3.org/TR/REC-html40/index/attributes.html).
_ATTRIBUTES = {
    "a": {"href"},
    "applet": {"codebase"},
    "area": {"href"},
    "audio": {"src"},
    "base": {"href"},
    "blockquote": {"cite"},
    "body": {"background"},
    "button": {"formaction"},
    "command": {"icon"},
    "del": {"cite"},
    "embed": {"src"},
    "form": {"action"},
    "frame": {"longdesc", "src"},
    "head": {"profile"},
    "html": {"manifest"},
    "iframe": {"longdesc", "src"},
    "img": {"longdesc", "src", "usemap"},
    "input": {"src", "usemap", "formaction"},
    "ins": {"cite"},
    "link": {"href"},
    "object": {"classid", "codebase", "data", "usemap"},
    "q": {"cite"},
    "script": {"src"},
    "source": {"src"},
    "video": {"poster", "src"},
}


def rewrite_page(page: bytes, rewrite: Callable[[str], str]) -> bytes:
    """The page with the URLs of its tags rewritten; all else keeps its bytes, and a page that takes too long all of them."""
    text = page.decode("utf-8", "surrogateescape")
    parser = _Links(text, rewrite)
    try:
        parser.feed(text)
        parser.close()
    except _TooSlow:
        return page
    return parser.result().encode("utf-8", "surrogateescape")


def decoded(page: bytes, encoding: str) -> bytes | None:
    """The page without its content encoding; None when that is not known, too large or broken."""
    if not encoding:
        return page
    if encoding not in ("gzip", "deflate"):
        return None
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS if encoding == "gzip" else -zlib.MAX_WBITS)
    try:
        plain = stream.decompress(page, MAX_PAGE_BYTES)
    except zlib.error:
        return None
    return plain if stream.eof else None


class _TooSlow(Exception):
    """HTMLParser looks to the page's end for each tag or comment that has none: pages are made that take it hours."""


class _Links(HTMLParser):
    def __init__(self, text: str, rewrite: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=False)
        self._text = text
        self._rewrite = rewrite
        self._lines = [0]
        self._lines += [index + 1 for index, character in enumerate(text) if character == "\n"]
        self._pieces: list[str] = []
        self._done = 0
        self._until = time.thread_time() + _MAX_SECONDS

    def updatepos(self, i: int, j: int) -> int:
        """HTMLParser calls it for whatever it has come past."""
        if time.thread_time() > self._until:
            raise _TooSlow
        return super().updatepos(i, j)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = _ATTRIBUTES.get(tag)
        if not wanted:
            return
        changed = [(name, self._rewrite(value) if name in wanted and value else value) for name, value in attrs]
        if changed == attrs:
            return
        line, column = self.getpos()
        begin = self._lines[line - 1] + column
        before = self.get_starttag_text() or ""
        words = [tag, *(name if value is None else f'{name}="{escape(value)}"' for name, value in changed)]
        end = "/>" if before.endswith("/>") else ">"
        self._pieces += [self._text[self._done : begin], "<", " ".join(words), end]
        self._done = begin + len(before)

    def result(self) -> str:
        return "".join([*self._pieces, self._text[self._done :]])
