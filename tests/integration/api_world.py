"""A real API server for tests: SQLite, watch cache, registry, TLS on a free port, users' certificates; no nodes.

Of the controllers it runs the one without which no pod is admitted: each namespace gets its account `default`.
"""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.serialization import Encoding

from master.api.auth.access_review import AccessReview
from master.api.auth.protocol import UserInfo
from master.api.bootstrap import bootstrap
from master.api.build import ServerParts, build_registry, build_server
from master.api.http.auditing import Auditor
from master.api.http.protocols import Joiner, StreamingHandler
from master.api.http.server import ApiServer
from master.api.registry.registry import Registry
from master.api.served_types import ServedTypes
from master.api.settings import ApiSettings
from master.client.events import EventRecorder
from master.client.local import LocalClient
from master.client.streams import NodeStreams
from master.controllers.context import Controller, ControllerContext, ControllerSettings, SystemClock
from master.controllers.service_account import ServiceAccountController
from master.informer import Informers
from master.pki.authority import Authority, generate_key, key_to_pem
from master.pki.kubeconfig import render
from master.pki.service_account.keys import ServiceAccountKeys
from master.store.cache import WatchCache
from master.store.sqlite import SQLiteStore

CERTIFICATE = "certificate.pem"
_KUBECTL = Path(os.path.realpath(shutil.which("kubectl") or "/usr/bin/kubectl"))


@dataclass(frozen=True, slots=True)
class Result:
    """How one kubectl ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class ApiWorld:
    """One running API."""

    folder: Path
    authority: Authority
    server: ApiServer
    registry: Registry

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    def user(self, name: str, *groups: str) -> Path:
        """A folder with a user's certificate and kubeconfig, made once."""
        folder = self.folder / f"user-{name.replace(':', '-')}"  # KUBECONFIG is a list with colons
        if folder.exists():
            return folder
        folder.mkdir()
        key = generate_key()
        pem = self.authority.issue_client(key.public_key(), name, groups).public_bytes(Encoding.PEM)
        key_pem = key_to_pem(key)
        (folder / CERTIFICATE).write_bytes(pem + key_pem)
        config = render(
            server=self.url,
            ca_pem=self.authority.certificate_pem,
            certificate_pem=pem,
            key_pem=key_pem,
            user=name,
            cluster="test",
        )
        (folder / "kubeconfig").write_bytes(config)
        return folder

    def admin(self) -> Path:
        return self.user("admin", "system:masters")

    def tls(self, user: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.certificate_pem.decode())
        if user is not None:
            context.load_cert_chain(user / CERTIFICATE)
        return context

    @asynccontextmanager
    async def http(self, user: Path | None, headers: Mapping[str, str] | None = None) -> AsyncIterator[aiohttp.ClientSession]:
        """An HTTP client as a user, or without a certificate."""
        connector = aiohttp.TCPConnector(ssl=self.tls(user))
        async with aiohttp.ClientSession(self.url, connector=connector, headers=headers) as session:
            yield session

    async def kubectl(
        self,
        *arguments: str,
        version: str = "",
        stdin: str = "",
        user: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a real kubectl of a version ("1.27"), the default one without."""
        process = await self.start(*arguments, version=version, user=user, env=env)
        try:
            async with asyncio.timeout(40):
                out, err = await process.communicate(stdin.encode())
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        return Result(process.returncode or 0, out.decode(), err.decode())

    async def start(
        self, *arguments: str, version: str = "", user: Path | None = None, env: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Start a real kubectl of a version, the default one without; the caller ends it."""
        program = _KUBECTL.with_name(f"kubectl.{version}") if version else _KUBECTL
        environment = {
            "KUBECONFIG": str((user or self.admin()) / "kubeconfig"),
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            **(env or {}),
        }
        return await asyncio.create_subprocess_exec(
            str(program),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )

    async def ok(self, *arguments: str, version: str = "", stdin: str = "", env: Mapping[str, str] | None = None) -> str:
        """What kubectl printed; it must succeed."""
        result = await self.kubectl(*arguments, version=version, stdin=stdin, env=env)
        assert result.code == 0, f"kubectl {' '.join(arguments)}: {result.err}"
        return result.out


@asynccontextmanager
async def api_world(
    folder: Path,
    *,
    settings: ApiSettings | None = None,
    streams: NodeStreams | None = None,
    streaming: StreamingHandler | None = None,
    joiner: Joiner | None = None,
    static_tokens: Mapping[str, UserInfo] | None = None,
    auditor: Auditor | None = None,
    controllers: Sequence[Callable[[ControllerContext], Controller]] = (),
) -> AsyncIterator[ApiWorld]:
    """The API of a store in `folder`, serving until the block ends. `controllers`: which run beside the accounts'."""
    settings = settings or ApiSettings(address="127.0.0.1", port=0, advertise_address="192.0.2.1", advertise_port=6443)
    authority, context = _identity(folder)
    keys = ServiceAccountKeys(_service_account_key(folder))
    store = SQLiteStore(folder / "store.db")
    await store.open()
    registry: Registry | None = None
    try:
        cache = WatchCache(store)
        async with asyncio.TaskGroup() as tasks:
            running: list[asyncio.Task[Any]] = [tasks.create_task(cache.run())]
            await cache.synced()
            registry = build_registry(store, cache, settings)
            await registry.open()
            await bootstrap(registry, settings)
            parts = ServerParts(
                ssl_context=context,
                streams=streams,
                streaming=streaming,
                joiner=joiner,
                static_tokens=static_tokens or {},
                service_account_keys=keys,
                auditor=auditor,
            )
            server = build_server(registry, settings, parts)
            running.append(tasks.create_task(server.run()))
            informers = Informers(registry)
            controller_context = _controller_context(registry, informers, authority, keys)
            running += [
                tasks.create_task(informers.run()),
                *(tasks.create_task(made(controller_context).run()) for made in (ServiceAccountController, *controllers)),
            ]
            await server.started.wait()
            while await registry.storage.read("", "serviceaccounts", "default", "default") is None:
                await asyncio.sleep(0.01)
            try:
                yield ApiWorld(folder, authority, server, registry)
            finally:
                for task in reversed(running):
                    task.cancel()
    finally:
        if registry is not None:
            await registry.close()
        await store.close()


class _NoNodes:
    """NodeHeartbeats of a cluster without nodes."""

    def last_seen(self, node: str) -> float | None:
        return None

    def suspected(self, node: str) -> float | None:
        return None


def _controller_context(
    registry: Registry, informers: Informers, authority: Authority, keys: ServiceAccountKeys
) -> ControllerContext:
    client = LocalClient(registry)
    return ControllerContext(
        client=client,
        informers=informers,
        kinds=ServedTypes(registry.kinds),
        recorder=lambda component: EventRecorder(client, component),
        clock=SystemClock(),
        heartbeats=_NoNodes(),
        settings=ControllerSettings(ca_certificate=authority.certificate_pem.decode(), api_url="https://192.0.2.1:6443"),
        authority=authority,
        service_account_keys=keys,
        access=AccessReview(registry.authorization),
    )


def _service_account_key(folder: Path) -> bytes:
    path = folder / "service-account.key"
    if not path.exists():
        path.write_bytes(key_to_pem(generate_key()))
    return path.read_bytes()


def _identity(folder: Path) -> tuple[Authority, ssl.SSLContext]:
    ca, ca_key = folder / "ca.crt", folder / "ca.key"
    if ca.exists():
        authority = Authority.load(ca_key.read_bytes(), ca.read_bytes())
    else:
        authority = Authority.generate("test")
        ca.write_bytes(authority.certificate_pem)
        ca_key.write_bytes(authority.key_pem)
    key = generate_key()
    certificate = authority.issue_server(key, "api", ["127.0.0.1", "localhost"])
    chain = folder / "server.pem"
    chain.write_bytes(certificate.public_bytes(Encoding.PEM) + key_to_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    return authority, context
