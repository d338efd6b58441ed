"""A real webhook for tests: HTTPS with a certificate of a CA of its own, answering as a test says."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from master.pki.authority import Authority, generate_key, key_to_pem

Json = dict[str, Any]
#: Gets the decoded review (or whatever was posted) and its path; gives the answer as JSON or as it is.
Answer = Callable[[Json, str], Json | web.Response | Awaitable[Json | web.Response]]


@dataclass(slots=True)
class WebhookServer:
    """`received`: what was posted, in order, by path. `connections`: the clients' addresses, one per connection."""

    port: int
    ca_bundle: str
    received: list[tuple[str, Json]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    def url(self, path: str = "") -> str:
        return f"https://127.0.0.1:{self.port}/{path}"

    def config(self, path: str = "") -> Json:
        """A clientConfig."""
        return {"url": self.url(path), "caBundle": self.ca_bundle}


@asynccontextmanager
async def webhook_server(folder: Path, answer: Answer, *names: str) -> AsyncIterator[WebhookServer]:
    """Serve on a free port of all addresses until the block ends. `names`: more DNS names in the certificate."""
    authority = Authority.generate("webhook")
    key = generate_key()
    certificate = authority.issue_server(key, "webhook-server", ["127.0.0.1", *names])
    chain = folder / "webhook.pem"
    chain.write_bytes(certificate.public_bytes(Encoding.PEM) + key_to_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server = WebhookServer(0, base64.b64encode(authority.certificate_pem).decode())

    async def handle(request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        assert request.transport is not None
        server.connections.add(request.transport.get_extra_info("peername"))
        server.received.append((request.path_qs, body))
        result = answer(body, request.path.strip("/"))
        if not isinstance(result, dict | web.Response):
            result = await result
        return result if isinstance(result, web.Response) else web.Response(body=orjson.dumps(result))

    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "0.0.0.0", 0, ssl_context=context)
        await site.start()
        server.port = runner.addresses[0][1]
        yield server
    finally:
        await runner.cleanup()


def allowed(review: Json, **more: Any) -> Json:
    """The answer that allows a request."""
    response = {"uid": review["request"]["uid"], "allowed": True, **more}
    return {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}


def denied(review: Json, **status: Any) -> Json:
    """The answer that refuses one; `status`: message, code, reason."""
    answer = allowed(review, allowed=False)
    if status:
        answer["response"]["status"] = status
    return answer


def patched(review: Json, *operations: Json) -> Json:
    """The answer that allows a request with a JSON patch."""
    patch = base64.b64encode(orjson.dumps(list(operations))).decode()
    return allowed(review, patchType="JSONPatch", patch=patch)


async def slowly(seconds: float, answer: Json) -> Json:
    await asyncio.sleep(seconds)
    return answer
