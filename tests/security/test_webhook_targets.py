"""Webhooks as a way to make the master call what it should not, or choke on what it hears: real TLS servers that misbehave.

A webhook's URL may name any host, as in Kubernetes; so what counts is that nothing follows, leaks or lasts.
"""

import asyncio
import base64
import contextlib
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from master.api.kinds.rules.webhooks import validate_client_config
from master.api.webhook.client import ANSWER_BYTES, CallFailed, WebhookClient, url_of
from master.api.webhook.services import ServiceEndpoints
from master.client.protocol import ResourceRef
from master.pki.authority import Authority, generate_key, key_to_pem
from tests.integration.api_world import api_world
from tests.integration.webhook_server import Json, webhook_server

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]
SERVICES = ResourceRef("", "v1", "services")
SLICES = ResourceRef("discovery.k8s.io", "v1", "endpointslices")


class NoServices(ServiceEndpoints):
    def __init__(self) -> None:
        pass


@asynccontextmanager
async def target(folder: Path, script: Script) -> AsyncIterator[tuple[Json, list[bytes]]]:
    """A TLS server that answers each request's head with a script: its clientConfig, and the heads that it got."""
    authority, key = Authority.generate("target"), generate_key()
    chain = folder / "target.pem"
    chain.write_bytes(authority.issue_server(key, "server", ["127.0.0.1"]).public_bytes(Encoding.PEM) + key_to_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await script(writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        bundle = base64.b64encode(authority.certificate_pem).decode()
        yield {"url": f"https://127.0.0.1:{port}/hook", "caBundle": bundle}, heads
    finally:
        server.close()


async def refusal(config: Json, *, seconds: float = 1.0) -> str:
    client = WebhookClient(NoServices())
    try:
        with pytest.raises(CallFailed) as failed:
            await client.post(config, b"{}", seconds=seconds)
    finally:
        await client.close()
    return str(failed.value)


def sends(*pieces: bytes) -> Script:
    async def script(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)

    return script


def repeats(head: bytes, piece: bytes, *, pause: float = 0.0) -> Script:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return script


def compressed(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(bytes(1 << 20)) for _ in range(megabytes)]) + packer.flush()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(tmp_path: Path, code: int) -> None:
    async with webhook_server(tmp_path, lambda body, path: {"reached": path}) as secret:
        location = f"HTTP/1.1 {code} Moved\r\nLocation: {secret.url('metadata')}\r\nRefresh: 0; url={secret.url()}\r\n"
        script = sends(location.encode() + b"Content-Length: 0\r\n\r\n")
        async with target(tmp_path, script) as (config, _):
            assert f"status code {code}" in await refusal(config)
        assert secret.received == []


async def test_a_call_carries_no_credentials_and_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://user:pass@127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password s3cret\n")
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}"
    async with target(tmp_path, sends(answer)) as (config, heads):
        client = WebhookClient(NoServices())
        try:
            for _ in range(2):
                assert await client.post(config, b"{}", seconds=5) == {}
        finally:
            await client.close()
    assert len(heads) == 2
    for head in heads:
        lower = head.lower()
        assert not any(name in lower for name in (b"authorization", b"cookie", b"x-remote", b"x-forwarded", b"s3cret"))


BOMBS: dict[str, tuple[Script, str]] = {
    "a body without end": (repeats(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536), f"longer than {ANSWER_BYTES} bytes"),
    "chunks without end": (
        repeats(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n"),
        f"longer than {ANSWER_BYTES} bytes",
    ),
    "headers without end": (repeats(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 4000 + b"\r\n"), "malformed HTTP response"),
    "a status line without end": (repeats(b"HTTP/1.1 200 ", b"a" * 65536), "malformed HTTP response"),
    "interim answers without end": (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "context deadline exceeded"),
    "a byte now and then": (
        repeats(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ", pause=0.05),
        "context deadline exceeded",
    ),
    "nesting": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000), "json parse error"),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_an_answer_is_bounded_in_size_and_time(tmp_path: Path, bomb: str) -> None:
    script, words = BOMBS[bomb]
    async with asyncio.timeout(20), target(tmp_path, script) as (config, _):
        assert words in await refusal(config)


async def test_a_compressed_answer_counts_by_what_comes_out(tmp_path: Path) -> None:
    bomb = compressed(256)
    assert len(bomb) < 2 << 20
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with target(tmp_path, sends(head, bomb)) as (config, _):
        assert f"longer than {ANSWER_BYTES} bytes" in await refusal(config, seconds=20)


@pytest.mark.parametrize(
    "answer",
    [b"-ERR s3cret of a database\r\n\r\n", b"HTTP/1.1 200 OK\r\ns3cret header\r\n\r\n", b"HTTP/1.1 s3cret\r\n\r\n"],
)
async def test_what_speaks_no_http_is_not_quoted(tmp_path: Path, answer: bytes) -> None:
    async with target(tmp_path, sends(answer)) as (config, _):
        told = await refusal(config)
    assert told.endswith("malformed HTTP response")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://h/", "'https' is the only allowed URL scheme"),
        ("unix:///var/run/docker.sock", "'https' is the only allowed URL scheme"),
        ("https+unix://%2Fvar%2Frun%2Fdocker.sock/", "only allowed URL scheme"),
        ("file:///etc/passwd", "'https' is the only allowed URL scheme"),
        ("//h/", "'https' is the only allowed URL scheme"),
        ("https:///x", "host must be specified"),
        ("https://user:pass@h/", "user information is not permitted in the URL"),
        ("https://h/?a=b", "query parameters are not permitted in the URL"),
        ("https://h/#a", "fragments are not permitted in the URL"),
        ("https://h/a\r\nX-Injected: 1", "net/url: invalid control character in URL"),
        ("https://h\n.example.com/", "net/url: invalid control character in URL"),
        ("https://h/\x00", "net/url: invalid control character in URL"),
        ("https://h/%zz", 'invalid URL escape "%zz"'),
        ("https://h:99999/", "invalid port"),
        ("https://h:x/", "invalid port"),
        ("https://a b/", 'invalid character " " in host name'),
        ("https://good.example.com\\@evil.example.com/", 'invalid character "\\" in host name'),
        ("https://[::1/", "invalid port or host"),
    ],
)
def test_a_url_that_is_no_plain_https_url_is_refused_when_it_is_written(url: str, words: str) -> None:
    causes = validate_client_config({"url": url}, "webhooks[0].clientConfig")
    assert any(words in cause.message for cause in causes), causes


@pytest.mark.parametrize("url", ["https://h/a\r\nX: y", "https://h:99999/", "https://h:x/", "http://h/", "unix:///x", ""])
def test_a_url_that_was_stored_before_is_not_called_either(url: str) -> None:
    with pytest.raises(CallFailed):
        url_of({"url": url})


@pytest.mark.parametrize(
    ("kind", "address"),
    [("IPv4", "127.0.0.1"), ("IPv4", "169.254.169.254"), ("IPv6", "::1"), ("IPv6", "::ffff:127.0.0.1"), ("FQDN", "localhost")],
)
async def test_a_service_leads_to_no_address_that_only_the_master_reaches(tmp_path: Path, kind: str, address: str) -> None:
    """Whether or not the API would take such a slice: written straight into the store, as an older one may be."""
    async with (
        api_world(tmp_path) as world,
        webhook_server(tmp_path, lambda body, path: {"reached": path}, "hook.default.svc") as secret,
    ):
        service = {"metadata": {"name": "hook"}, "spec": {"ports": [{"port": 443, "targetPort": 9}]}}
        await world.registry.create(SERVICES, "default", service)
        piece = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "s", "namespace": "default", "labels": {"kubernetes.io/service-name": "hook"}, "uid": "u"},
            "addressType": kind,
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "", "port": secret.port, "protocol": "TCP"}],
        }
        stored = world.registry.kinds.get("discovery.k8s.io", "v1", "endpointslices")
        assert stored is not None
        await world.registry.storage.create(stored, piece)
        client = WebhookClient(ServiceEndpoints(world.registry.storage.cache))
        config = {"service": {"namespace": "default", "name": "hook"}, "caBundle": secret.ca_bundle}
        try:
            with pytest.raises(CallFailed, match='no endpoints available for service "hook"'):
                await client.post(config, b"{}", seconds=5)
        finally:
            await client.close()
        assert secret.received == []
