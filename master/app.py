"""The master as a whole: builds every part, wires it, runs it in TaskGroups until a signal or the death of a part.

    store ── watch cache ── broker            outermost: they end last
      └─ informers, controllers, scheduler, fleet
           └─ HTTP server                     innermost: it ends first, so that no request meets a half-stopped master

`main` is the process: event loop, signals, exit code. A part that ends by itself or fails ends the master with its reason and
a non-zero exit code; systemd starts it anew.
"""

import asyncio
import gc
import ipaddress
import logging
import os
import resource
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import uvloop
from prometheus_client import REGISTRY

from master.api.audit import policy as audit_policy
from master.api.audit.log import AuditLog, Rotation
from master.api.auth.access_review import AccessReview
from master.api.bootstrap import bootstrap
from master.api.build import ServerParts, build_registry, build_server
from master.api.http.auditing import Auditor
from master.api.http.server import CannotListen
from master.api.node_verbs import NodeVerbs
from master.api.registry.event_expiry import EventExpiry
from master.api.registry.registry import Registry
from master.api.served_types import ServedTypes
from master.api.settings import ApiSettings
from master.api.streaming.handler import PodStreaming
from master.broker.process import Broker, BrokerError
from master.client.errors import StatusError
from master.client.events import EventRecorder
from master.client.local import LocalClient
from master.controllers import ControllerContext, ControllerSettings, SystemClock, build_controllers
from master.fleet.epoch import next_epoch
from master.fleet.fleet import Fleet, FleetSettings
from master.fleet.join import JoinSettings, NodeJoiner
from master.fleet.pod_tokens import PodTokenSettings
from master.fleet.publisher import ClusterOrder
from master.host import HostUnreadable, default_address, host_names
from master.informer import Informers
from master.pki import cluster as cluster_pki
from master.pki.cluster import BROKER_USER, ClusterPki
from master.pki.files import PkiError
from master.pki.names import advertised, api_url, broker_advertised, broker_local, broker_names, server_names
from master.preflight import check_host
from master.scheduler.scheduler import Scheduler
from master.settings import BrokerSettings, MasterSettings, broker_address
from master.store.cache import WatchCache
from master.store.protocol import StoreBackend, StoreError
from master.store.sqlite import SQLiteStore
from proto.daemon import logs, memory
from proto.daemon.notify import Notifier
from proto.daemon.process import lasting, run_until_signal
from proto.daemon.settings import InvalidSettings
from proto.mqtt_session import BrokerEndpoint
from proto.signing import Signer
from proto.topics import Topics
from proto.version import VERSION

log = logging.getLogger(__name__)

#: The garbage collector's thresholds: objects made since the last look at the youngest, and looks at one generation per
#: look at the next. What the master makes and drops holds few cycles; the reference counts free it.
_GC_THRESHOLDS = (10_000, 20, 50)
#: systemd's LimitNOFILE of the master (deploy/systemd).
_MOST_FILES = 65_536
#: Errors that say what the operator must change: told in one line, without a traceback.
_OPERATOR_ERRORS = (
    BrokerError,
    CannotListen,
    HostUnreadable,
    InvalidSettings,
    PkiError,
    StatusError,
    StoreError,
    audit_policy.InvalidPolicy,
)


def main(settings: MasterSettings) -> int:
    """Run the master until SIGTERM or SIGINT; the exit code."""
    logs.configure(settings.log_level, under_journal="JOURNAL_STREAM" in os.environ)
    try:
        settings, pki = _prepare(settings)
    except _OPERATOR_ERRORS as error:
        log.error("the master cannot run: %s", error)
        return 1
    _allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, pki))


def _allow_many_files() -> None:
    """Each client's connection is an open file, and a shell's soft limit is 1,024 of them; the hard limit is what may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _prepare(settings: MasterSettings) -> tuple[MasterSettings, ClusterPki]:
    """What blocks and needs no event loop: look at the host, bring the certificates up to date.

    Returns the settings with the advertise address filled in. Raises InvalidSettings, PkiError.
    """
    cluster_pki.load(settings.pki_path)  # before `init` nothing is made here
    check_host(settings.network)
    settings = msgspec.structs.replace(settings, advertise_address=advertised(settings))
    pki, renewed = cluster_pki.prepare(
        settings.pki_path, server_names=server_names(settings), broker_names=broker_names(settings)
    )
    if renewed:
        log.info("certificates renewed", extra={"files": ", ".join(renewed)})
    return settings, pki


async def _run(settings: MasterSettings, pki: ClusterPki) -> int:
    notifier = Notifier()
    return await run_until_signal(
        Master(settings, pki, notifier).run(), name="master", notifier=notifier, log=log, operator_errors=_OPERATOR_ERRORS
    )


class Master:
    """All parts of one master. `run` ends by cancellation or by the first part's failure."""

    def __init__(self, settings: MasterSettings, pki: ClusterPki, notifier: Notifier) -> None:
        self._settings = settings
        self._pki = pki
        self._notifier = notifier
        self._recorders: list[EventRecorder] = []
        #: Whether the informers have taken in their first lists.
        self._synced = False

    async def run(self) -> None:
        settings = self._settings
        pki = self._pki
        topics = Topics(pki.cluster_id)
        log.info("wherry-master starts", extra={"version": VERSION, "cluster": pki.cluster_id})
        async with _opened(SQLiteStore(settings.data_path / "store.db")) as store, asyncio.TaskGroup() as base:
            epoch = await next_epoch(store)
            cache = WatchCache(store)
            base.create_task(lasting("watch cache", cache.run()), name="watch cache")
            broker = self._broker(pki, topics)
            if broker is not None:
                base.create_task(lasting("broker", broker.run()), name="broker")
            base.create_task(self._notifier.run(), name="systemd watchdog")  # ends at once where systemd does not watch
            await cache.synced()
            api = self._api_settings()
            registry = build_registry(store, cache, api, REGISTRY)
            await registry.open()
            await bootstrap(registry, api)
            expiry = EventExpiry(registry, cache, ttl_seconds=self._settings.event_ttl_seconds)
            base.create_task(lasting("event expiry", expiry.run()), name="event expiry")
            try:
                await self._run_parts(registry, api, topics=topics, epoch=epoch, broker=broker)
            finally:
                await registry.close()

    async def _run_parts(
        self, registry: Registry, api: ApiSettings, *, topics: Topics, epoch: int, broker: Broker | None
    ) -> None:
        pki = self._pki
        client = LocalClient(registry)
        informers = Informers(registry)
        fleet = Fleet(
            client,
            informers,
            signer=Signer(pki.signing_key),
            keys=pki.service_account_keys,
            topics=topics,
            settings=self._fleet_settings(pki, epoch),
            client_of_node=lambda node: LocalClient(NodeVerbs(registry, node)),
        )
        scheduler = Scheduler(client, informers)
        controllers = build_controllers(self._controller_context(registry, client, informers, fleet, pki))
        server = build_server(
            registry,
            api,
            ServerParts(
                ssl_context=_server_context(pki),
                streams=fleet.streams,
                streaming=PodStreaming(fleet.streams),
                service_account_keys=pki.service_account_keys,
                joiner=NodeJoiner(client, pki, self._join_settings()),
                ready_checks={
                    "broker": lambda: "" if broker is None or broker.ready else "the broker does not listen",
                    "fleet": lambda: fleet.problem,
                    "informers": lambda: "" if self._synced else "not synced yet",
                },
                metrics=REGISTRY,
                auditor=await self._auditor(),
            ),
        )
        async with asyncio.TaskGroup() as parts:
            parts.create_task(lasting("informers", informers.run()), name="informers")
            for recorder in self._recorders:
                parts.create_task(lasting("event recorder", recorder.run()), name="event recorder")
            for controller in controllers:
                parts.create_task(lasting(controller.name, controller.run()), name=controller.name)
            parts.create_task(lasting("scheduler", scheduler.run()), name="scheduler")
            parts.create_task(lasting("fleet", fleet.run()), name="fleet")
            async with asyncio.TaskGroup() as front:
                front.create_task(lasting("api", server.run()), name="api")
                await server.started.wait()
                await informers.synced()
                _settle_memory()
                self._synced = True
                self._notifier.ready(f"serving the Kubernetes API on port {server.port}")
                log.info("ready", extra={"port": server.port, "epoch": epoch})

    async def _auditor(self) -> Auditor | None:
        """None when the audit log is off. Raises InvalidPolicy."""
        audit = self._settings.audit
        if not audit.policy_file:
            return None
        policy = await asyncio.to_thread(audit_policy.load, Path(audit.policy_file))
        rotation = Rotation(int(audit.max_size_mb * 1024 * 1024), audit.max_backups, audit.max_age_days)
        log_ = AuditLog(self._settings.audit_log_path, rotation, REGISTRY)
        return Auditor(policy, log_, body_bytes=audit.max_body_bytes)

    # ── every part's slice of the settings ───────────────────────────────────────────────────────────────────────────

    def _api_settings(self) -> ApiSettings:
        settings = self._settings
        return ApiSettings(
            address=settings.listen.address or "0.0.0.0",
            port=settings.listen.port,
            advertise_address=_endpoint_address(settings.advertise_address),
            service_cidr=settings.network.service_cidr,
            service_account_max_token_seconds=settings.service_account_max_token_seconds,
            service_account_issuer=f"https://kubernetes.default.svc.{settings.network.cluster_domain}",
            node_port_first=settings.network.node_port_first,
            node_port_last=settings.network.node_port_last,
            **msgspec.structs.asdict(settings.limits),
        )

    def _broker(self, pki: ClusterPki, topics: Topics) -> Broker | None:
        """The master's own broker; None when the settings name an external one."""
        if isinstance(self._settings.broker, str):
            return None
        return Broker(self._settings.data_path / "broker", self._settings.broker, pki, topics)

    def _fleet_settings(self, pki: ClusterPki, epoch: int) -> FleetSettings:
        settings, network = self._settings, self._settings.network
        if isinstance(settings.broker, BrokerSettings):
            host, port = broker_local(settings.broker), settings.broker.port
        else:
            host, port = broker_address(settings.broker)
        return FleetSettings(
            identity=host_names()[0],
            epoch=epoch,
            tokens=PodTokenSettings(
                issuer=self._api_settings().service_account_issuer, max_age=settings.pod_token_max_age_seconds
            ),
            broker=BrokerEndpoint(
                host=host,
                port=port,
                user=BROKER_USER,
                certificate=pki.broker_client.certificate,
                key=pki.broker_client.key,
                ca=pki.ca_path,
            ),
            cluster=ClusterOrder(
                cluster_cidr=network.cluster_cidr,
                service_cidr=network.service_cidr,
                cluster_dns=network.cluster_dns,
                cluster_domain=network.cluster_domain,
                node_port_first=network.node_port_first,
                node_port_last=network.node_port_last,
                heartbeat_seconds=settings.heartbeat_seconds,
            ),
        )

    def _join_settings(self) -> JoinSettings:
        settings = self._settings
        if isinstance(settings.broker, BrokerSettings):
            host, port = broker_advertised(settings), settings.broker.port
        else:
            host, port = broker_address(settings.broker)
        return JoinSettings(broker_host=host, broker_port=port, cluster_domain=settings.network.cluster_domain)

    def _controller_context(
        self, registry: Registry, client: LocalClient, informers: Informers, fleet: Fleet, pki: ClusterPki
    ) -> ControllerContext:
        network = self._settings.network
        return ControllerContext(
            client=client,
            informers=informers,
            kinds=ServedTypes(registry.kinds),
            recorder=lambda component: self._recorder(client, component),
            clock=SystemClock(),
            heartbeats=fleet.liveness,
            settings=ControllerSettings(
                ca_certificate=pki.authority.certificate_pem.decode(),
                api_url=api_url(self._settings),
                cluster_cidr=ipaddress.IPv4Network(network.cluster_cidr),
                node_cidr_mask_size=network.node_prefix,
            ),
            authority=pki.authority,
            service_account_keys=pki.service_account_keys,
            access=AccessReview(registry.authorization),
        )

    def _recorder(self, client: LocalClient, component: str) -> EventRecorder:
        recorder = EventRecorder(client, component)
        self._recorders.append(recorder)
        return recorder


def _settle_memory() -> None:
    """What is there after the start lives as long as the master: no garbage collection needs to look at it again.

    A full one blocks the event loop for 45 to 80 ms with 500 pods (and came three times a second while they started); so
    they are also made rarer.
    """
    memory.settle()
    gc.set_threshold(*_GC_THRESHOLDS)


@asynccontextmanager
async def _opened(store: StoreBackend) -> AsyncIterator[StoreBackend]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _server_context(pki: ClusterPki) -> ssl.SSLContext:
    """Clients may show a certificate of the cluster's CA; who does not needs a token."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(pki.server.certificate, pki.server.key)
    context.load_verify_locations(cafile=str(pki.ca_path))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def _endpoint_address(advertised_: str) -> str:
    """The `kubernetes` Service's endpoint: an IPv4 address that pods can reach. "" when this host has none."""
    for text in (advertised_, str(default_address())):
        try:
            address = ipaddress.IPv4Address(text)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            return text
    return ""
