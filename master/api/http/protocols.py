"""What others plug into the HTTP server."""

from typing import Protocol

from aiohttp import web

from master.api.auth.protocol import UserInfo
from master.api.http.request_info import RequestInfo
from master.client.protocol import Json


class StreamingHandler(Protocol):
    """Serves pods/{exec,attach,portforward} (see `master.api.streaming`)."""

    async def handle(self, request: web.Request, pod: Json, subresource: str) -> web.StreamResponse:
        """`pod` as it is now. Raises StatusError before the connection is upgraded."""
        ...


class ProxyHandler(Protocol):
    """Serves the proxy subresources of pods, services and nodes (see `master.api.proxy`)."""

    async def respond(self, request: web.Request, info: RequestInfo) -> web.StreamResponse:
        """Raises StatusError before the target's answer has begun."""
        ...


class Joiner(Protocol):
    """Lets new nodes in: POST /wherry/v1/join and GET /wherry/v1/ca."""

    def ca_pem(self) -> bytes:
        """The cluster CA's certificate; public."""
        ...

    async def join(self, user: UserInfo, request: Json) -> Json:
        """Answer a node's request for its certificate. `user` is of group system:bootstrappers. Raises StatusError."""
        ...
