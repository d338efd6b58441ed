"""Each kind of probe against real servers, and what Kubernetes' events say of what goes wrong."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lightkube.models.core_v1 import GRPCAction, HTTPGetAction, HTTPHeader, Probe, TCPSocketAction

from agent.probes.protocol import MAX_OUTPUT, ProbeResult, ProbeTarget
from agent.probes.registry import probe_once
from agent.runtime.fake import FakeRuntime
from tests.integration.grpc_health import health_server

Serve = Callable[[bytes], bytes | None]


async def ask(probe: Probe, *, timeout: float = 2.0, ports: dict[str, int] | None = None) -> ProbeResult:
    """Probe on a loop of the agent's kind."""

    def work() -> ProbeResult:
        target = ProbeTarget("c", "127.0.0.1", ports or {})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(probe_once(probe, target, timeout=timeout, streams=FakeRuntime()))

    return await asyncio.to_thread(work)


async def http(port: int | str, path: str = "/", *, timeout: float = 2.0, **fields: object) -> ProbeResult:
    ports = {"web": port} if isinstance(port, int) else {}
    action = HTTPGetAction(port=port, path=path, **fields)  # type: ignore[arg-type]
    return await ask(Probe(httpGet=action), timeout=timeout, ports=ports)


@asynccontextmanager
async def server(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answers each request's head with what `serve` makes of it, and keeps the connection open where that is None."""

    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        handlers.add(handler)
        try:
            answer = serve(await reader.readuntil(b"\r\n\r\n"))
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
    if handlers:
        await asyncio.wait(handlers)


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_a_request_carries_kubelets_headers_and_the_manifests() -> None:
    asked: list[str] = []

    def serve(head: bytes) -> bytes:
        asked.append(head.decode())
        return answer(200, b"fine")

    async with server(serve) as port:
        result = await http(
            port, "health?deep=yes&q=a b#part", httpHeaders=[HTTPHeader("x-one", "1"), HTTPHeader("X-One", "2")]
        )
        assert result == ProbeResult("success", "fine")
        await http(
            port, httpHeaders=[HTTPHeader("host", "example.test"), HTTPHeader("user-agent", ""), HTTPHeader("accept", "")]
        )
        refused = await http(port, httpHeaders=[HTTPHeader("X-Bad", "a\r\nX-Smuggled: yes")])
    assert asked[0].splitlines() == [
        "GET /health?deep=yes&q=a%20b HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "X-One: 1",
        "X-One: 2",
        "User-Agent: kube-probe/1.33",
        "Accept: */*",
        "Connection: close",
        "",
    ]
    assert asked[1].splitlines() == ["GET / HTTP/1.1", "Host: example.test", "Connection: close", ""]
    assert refused.outcome == "failure"
    assert 'invalid header field value for "X-Bad"' in refused.output
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("sent", "outcome", "output"),
    [
        (answer(399), "warning", "Probe terminated redirects, Response body: "),
        (answer(404, b"no"), "failure", "HTTP probe failed with statuscode: 404"),
        (answer(500), "failure", "HTTP probe failed with statuscode: 500"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", "success", "to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(204), "success", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "success", "abcde"),
        (answer(200, b"x" * 4 * MAX_OUTPUT), "success", "x" * MAX_OUTPUT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "failure", "unexpected EOF"),
        (b"", "failure", "EOF"),
        (b"SSH-2.0-x\r\n\r\n", "failure", 'malformed HTTP response "SSH-2.0-x"'),
    ],
    ids=["399", "404", "500", "until closed", "after 100", "chunked", "long", "cut off", "nothing", "not HTTP"],
)
async def test_an_answer_is_judged_as_kubernetes_does(sent: bytes, outcome: str, output: str) -> None:
    async with server(lambda _: sent) as port:
        result = await http(port)
    assert result.outcome == outcome
    assert result.output.endswith(output)


async def test_redirects_are_followed_on_the_same_host_only() -> None:
    def serve(head: bytes) -> bytes:
        match head.split()[1]:
            case b"/local":
                return answer(302, b"", "Location: /there")
            case b"/there":
                return answer(200, b"arrived")
            case b"/away":
                return answer(301, b"bye", "Location: http://192.0.2.1/")
            case _:
                return answer(302, b"", "Location: /again")

    async with server(serve) as port:
        assert await http(port, "/local") == ProbeResult("success", "arrived")
        assert await http(port, "/away") == ProbeResult("warning", "Probe terminated redirects, Response body: bye")
        endless = await http(port, "/endless")
    assert endless == ProbeResult("failure", f'Get "http://127.0.0.1:{port}/again": stopped after 10 redirects')


async def test_https_takes_any_certificate_and_says_when_there_is_none(tmp_path: Path) -> None:
    async with server(lambda _: answer(200, b"safe"), tls=_self_signed(tmp_path)) as port:
        assert await http(port, scheme="HTTPS") == ProbeResult("success", "safe")
    async with server(lambda _: answer(200)) as port:
        plain = await http(port, scheme="HTTPS")
    assert plain.outcome == "failure"
    assert plain.output.startswith(f'Get "https://127.0.0.1:{port}/": ')


async def test_what_does_not_answer_is_told_in_gos_words() -> None:
    port = closed_port()
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert await http(port) == ProbeResult("failure", f'Get "http://127.0.0.1:{port}/": {refused}')
    assert await ask(Probe(tcpSocket=TCPSocketAction(port=port))) == ProbeResult("failure", refused)
    async with server(lambda _: None) as silent:
        result, seconds = await _timed(http(silent, timeout=0.3))
    assert result.output.endswith("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    assert 0.25 < seconds < 1.5
    assert await http(port, host="nowhere.invalid") == ProbeResult(
        "failure", f'Get "http://nowhere.invalid:{port}/": dial tcp: lookup nowhere.invalid: no such host'
    )


async def test_ports_go_by_number_name_or_number_as_text() -> None:
    async with server(lambda _: answer(200)) as port:
        for asked in (port, str(port), "web"):
            assert (await ask(Probe(httpGet=HTTPGetAction(port=asked)), ports={"web": port})).outcome == "success"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        for asked in (port, str(port), "web"):
            assert (await ask(Probe(tcpSocket=TCPSocketAction(port=asked)), ports={"web": port})).outcome == "success"
    missing = await ask(Probe(tcpSocket=TCPSocketAction(port="metrics")))
    assert missing == ProbeResult("unknown", 'strconv.Atoi: parsing "metrics": invalid syntax')


async def test_grpc_asks_the_health_service_of_a_real_server() -> None:
    with health_server({"": 1, "ok": 1, "bad": 2}) as port:
        assert await _grpc(port) == ProbeResult("success", "service healthy")
        assert await _grpc(port, "ok") == ProbeResult("success", "service healthy")
        assert await _grpc(port, "bad") == ProbeResult("failure", 'service unhealthy (responded with "NOT_SERVING")')
        unknown = await _grpc(port, "nobody")
        assert unknown.output == "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service: nobody"


async def test_grpc_tells_a_server_without_health_from_one_that_hangs_and_from_none() -> None:
    bare = grpc.server(ThreadPoolExecutor(1))
    port = bare.add_insecure_port("127.0.0.1:0")
    bare.start()
    try:
        result = await _grpc(port)
    finally:
        bare.stop(0)
    assert result.output.startswith("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ")
    with health_server({"": 1}, delay=2.0) as slow:
        assert await _grpc(slow, timeout=0.5) == ProbeResult("failure", "timeout: health rpc did not complete within 0.5s")
    nobody = closed_port()
    failed = f'timeout: failed to connect service "127.0.0.1:{nobody}" within 0.3s: context deadline exceeded'
    assert await _grpc(nobody, timeout=0.3) == ProbeResult("failure", failed)
    async with server(lambda _: answer(200)) as plain:
        assert "failed to connect service" in (await _grpc(plain, timeout=0.3)).output


async def _grpc(port: int, service: str = "", *, timeout: float = 2.0) -> ProbeResult:
    return await ask(Probe(grpc=GRPCAction(port=port, service=service)), timeout=timeout)


async def _timed(work: Awaitable[ProbeResult]) -> tuple[ProbeResult, float]:
    began = asyncio.get_running_loop().time()
    result = await work
    return result, asyncio.get_running_loop().time() - began


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody.else")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
