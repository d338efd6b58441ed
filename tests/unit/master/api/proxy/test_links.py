"""URLs of a target's answer on their way through the proxy."""

import gzip
import time
import zlib

import pytest

from master.api.proxy import links
from master.api.proxy.headers import Rewriter
from master.api.proxy.links import decoded, rewrite_page

PREFIX = "/api/v1/namespaces/n/services/s/proxy"
REWRITER = Rewriter(PREFIX, target_host="10.0.0.1:80", request_host="api:6443")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/a/b", f"{PREFIX}/a/b"),
        ("/a/../b/", f"{PREFIX}/b/"),
        ("/?x=1#y", f"{PREFIX}/?x=1#y"),
        ("http://10.0.0.1:80/a", f"{PREFIX}/a"),
        ("https://api:6443/a", f"https://api:6443{PREFIX}/a"),
        (f"{PREFIX}/a", f"{PREFIX}/a"),
        ("a/b", "a/b"),
        ("../x", "../x"),
        ("//elsewhere/a", "//elsewhere/a"),
        ("http://elsewhere/a", "http://elsewhere/a"),
        ("mailto:a@b", "mailto:a@b"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_only_urls_of_the_targets_own_host_lead_through_the_proxy(url: str, expected: str) -> None:
    assert REWRITER.rewrite(url) == expected


def test_a_page_keeps_every_byte_but_its_links() -> None:
    page = b"<!doctype html>\n<BODY background=/b.png>\xff &amp; <b>/not a link</b>\n<form action='/go'><input disabled>"
    assert rewrite_page(page, lambda url: "/p" + url) == (
        b'<!doctype html>\n<body background="/p/b.png">\xff &amp; <b>/not a link</b>\n<form action="/p/go"><input disabled>'
    )


def test_a_page_in_an_encoding_is_decoded_or_left_alone() -> None:
    assert decoded(b"x", "") == b"x"
    assert decoded(gzip.compress(b"x"), "gzip") == b"x"
    deflate = zlib.compressobj(wbits=-15)
    assert decoded(deflate.compress(b"x") + deflate.flush(), "deflate") == b"x"
    assert decoded(b"not gzip", "gzip") is None
    assert decoded(gzip.compress(bytes(5 << 20)), "gzip") is None, "too large a page"
    assert decoded(b"x", "br") is None


@pytest.mark.parametrize("piece", [b"<a ", b"<!--", b"</", b"<?", b"<![CDATA["])
def test_a_page_made_to_take_long_passes_as_it_is(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(links, "_MAX_SECONDS", 0.05)
    page = b"<a href=/x>" + piece * 400_000
    began = time.thread_time()
    assert rewrite_page(page, REWRITER.rewrite) == page
    assert time.thread_time() - began < 2
