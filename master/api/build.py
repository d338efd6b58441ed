"""Puts the API together; see `master.api` for the order in which the application does it."""

import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from master.api.admission.dynamic.policies.status import PolicyStatus
from master.api.allocation.services import ServiceAllocator
from master.api.auth.authentication import Authentication
from master.api.auth.authorization import Authorization
from master.api.auth.bootstrap_tokens import NAMESPACE, BootstrapTokens
from master.api.auth.node.authorizer import NodeAuthorizer
from master.api.auth.protocol import TokenAuthenticator, UserInfo
from master.api.auth.rbac.index import RbacIndex
from master.api.auth.reviews.registry import REVIEWS
from master.api.auth.reviews.review import ReviewContext
from master.api.auth.service_account.authenticator import LAST_USED, ServiceAccountAuthenticator
from master.api.auth.service_account.openid import OpenIdDiscovery
from master.api.auth.service_account.token_requests import TokenRequests
from master.api.auth.tokens import StaticTokens
from master.api.discovery.documents import Discovery
from master.api.flowcontrol.dispatcher import Dispatcher
from master.api.flowcontrol.metrics import FlowMetrics
from master.api.http.auditing import Auditor
from master.api.http.component_statuses import ComponentStatuses
from master.api.http.health import Health, HealthCheck
from master.api.http.logs import PodLogs
from master.api.http.metrics import ApiMetrics
from master.api.http.protocols import Joiner, StreamingHandler
from master.api.http.resources import DELETE_OPTIONS, EVICTION, Resources
from master.api.http.reviews import ReviewResponder
from master.api.http.server import ApiServer
from master.api.http.system_paths import SystemPaths
from master.api.http.writes import Writes
from master.api.kinds.registry import KINDS, Kinds
from master.api.metrics.kinds import RESOURCE_METRICS
from master.api.metrics.resource_metrics import serve_resource_metrics
from master.api.openapi.documents import OpenApi
from master.api.proxy.handler import Proxy
from master.api.registry.registry import Registry
from master.api.registry.storage import decode
from master.api.registry.strategies import binding, scale
from master.api.registry.write_options import WriteOptions
from master.api.schema.schemas import Schemas
from master.api.settings import ApiSettings
from master.client.errors import StatusError
from master.client.protocol import Json, ResourceRef
from master.client.streams import NodeStreams
from master.pki.service_account.keys import ServiceAccountKeys
from master.store.cache import WatchCache
from master.store.protocol import Store

_log = logging.getLogger(__name__)

_PODS = ResourceRef("", "v1", "pods")
_SECRETS = ResourceRef("", "v1", "secrets")
_SERVICES = ResourceRef("", "v1", "services")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerParts:
    """What the application gives the HTTP server beside the registry.

    `ssl_context`: server certificate, the cluster CA as the trusted one, verify_mode=CERT_OPTIONAL.
    `ready_checks`: by name, "" when ready. `metrics`: what /metrics shows. `auditor`: None when the audit log is off.
    """

    ssl_context: ssl.SSLContext
    streams: NodeStreams | None = None
    streaming: StreamingHandler | None = None
    joiner: Joiner | None = None
    service_account_keys: ServiceAccountKeys | None = None
    static_tokens: Mapping[str, UserInfo] = field(default_factory=dict)
    token_authenticators: Sequence[TokenAuthenticator] = ()
    ready_checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    auditor: Auditor | None = None


def build_registry(
    store: Store, cache: WatchCache, settings: ApiSettings, metrics: CollectorRegistry | None = None
) -> Registry:
    """The verbs; `await registry.open()` once the cache is in sync. `metrics`: None: nobody reads them."""
    rbac = RbacIndex()
    rbac.follow(cache)
    roots = [kind.definition for kind in KINDS] + REVIEWS.definitions
    return Registry(
        store,
        cache,
        kinds=Kinds((*KINDS, *RESOURCE_METRICS)),
        schemas=Schemas([*roots, scale.DEFINITION, binding.DEFINITION, EVICTION, DELETE_OPTIONS]),
        allocators={_SERVICES: ServiceAllocator(settings.service_cidr, settings.node_port_first, settings.node_port_last)},
        authorization=Authorization(rbac, [NodeAuthorizer(cache)]),
        metrics=metrics or CollectorRegistry(),
    )


def build_server(registry: Registry, settings: ApiSettings, parts: ServerParts) -> ApiServer:
    if parts.streams is not None:
        serve_resource_metrics(registry, parts.streams)

    async def read_secret(name: str) -> Json | None:
        return await registry.storage.read("", "secrets", NAMESPACE, name)

    async def read_object(resource: ResourceRef, namespace: str, name: str) -> Json:
        return decode(await registry.get(resource, namespace, name))

    async def mark_used(namespace: str, name: str, day: str) -> None:
        patch = {"metadata": {"labels": {LAST_USED: day}}}
        try:
            await registry.patch(_SECRETS, namespace, name, "application/merge-patch+json", patch)
        except StatusError as error:  # a mark that cannot be written refuses nobody
            _log.warning("cannot mark a token as used: %s", error, extra={"namespace": namespace, "secret": name})

    built_in: list[TokenAuthenticator] = [StaticTokens(parts.static_tokens), BootstrapTokens(read_secret)]
    tokens: TokenRequests | None = None
    openid: OpenIdDiscovery | None = None
    if parts.service_account_keys is not None:
        issuer = settings.service_account_issuer
        built_in.append(
            ServiceAccountAuthenticator(
                parts.service_account_keys,
                registry.storage,
                issuer=issuer,
                api_audiences=(issuer,),
                mark_used=mark_used,
            )
        )
        tokens = TokenRequests(
            parts.service_account_keys,
            registry.storage,
            issuer=issuer,
            api_audiences=(issuer,),
            longest=settings.service_account_max_token_seconds,
        )
        openid = OpenIdDiscovery(parts.service_account_keys, issuer, _url(settings))
    authentication = Authentication([*built_in, *parts.token_authenticators], api_audiences=(settings.service_account_issuer,))
    writes = Writes()

    async def bind(namespace: str, name: str, binding: Json, options: WriteOptions) -> Json:
        writing = registry.update(_PODS, namespace, name, binding, options, subresource="binding")
        return decode(await writes.finish(writing))

    return ApiServer(
        settings,
        ssl_context=parts.ssl_context,
        authentication=authentication,
        authorization=registry.authorization,
        resources=Resources(
            registry,
            settings,
            writes,
            logs=PodLogs(parts.streams) if parts.streams else None,
            streaming=parts.streaming,
            components=ComponentStatuses(parts.ready_checks),
            proxy=Proxy(parts.streams, read_object) if parts.streams else None,
        ),
        reviews=ReviewResponder(
            settings,
            registry.schemas,
            REVIEWS,
            ReviewContext(
                authorization=registry.authorization,
                authentication=authentication,
                reader=registry.storage,
                admit=registry.admit,
                bind=bind,
                tokens=tokens,
            ),
        ),
        system_paths=SystemPaths(
            settings,
            discovery=Discovery(registry.kinds, REVIEWS.kinds),
            openapi=OpenApi(registry.kinds, REVIEWS.kinds),
            health=Health(parts.ready_checks),
            metrics=parts.metrics,
            joiner=parts.joiner,
            openid_discovery=openid,
        ),
        writes=writes,
        metrics=ApiMetrics(parts.metrics),
        dispatcher=Dispatcher(settings.max_in_flight, FlowMetrics(parts.metrics), wait_seconds=settings.queue_wait_seconds),
        auditor=parts.auditor,
        background={
            "custom resources": registry.custom_resources.run,
            "webhooks": registry.webhooks.run,
            "admission policies": PolicyStatus(registry.storage.cache, registry.kinds, registry.schemas, registry).run,
        },
    )


def _url(settings: ApiSettings) -> str:
    """Where clients outside reach the API."""
    return f"https://{settings.advertise_address or settings.address}:{settings.advertise_port or settings.port}"
