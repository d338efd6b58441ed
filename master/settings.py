"""The master's settings: /etc/wherry-master/config.yaml with flags over it, frozen and validated once at start.

Every component gets its own slice. Nothing else reads files or the environment for configuration.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from proto.daemon import settings as base
from proto.daemon.settings import InvalidSettings, Settings

DEFAULT_CONFIG = Path("/etc/wherry-master/config.yaml")
DEFAULT_DATA_DIR = "/var/lib/wherry-master"
DEFAULT_BROKER_PORT = 8883

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class ListenSettings(Settings, frozen=True):
    """Where the API listens. An empty address means all."""

    address: str = ""
    port: Port = 6443


class NetworkSettings(Settings, frozen=True):
    """The cluster's address ranges and names. The same on all masters; changing them later is not supported."""

    #: Pod addresses; each node gets a piece of `node_prefix` bits of it.
    cluster_cidr: str = "10.244.0.0/16"
    node_prefix: Annotated[int, msgspec.Meta(ge=8, le=30)] = 24
    service_cidr: str = "10.96.0.0/16"
    cluster_domain: str = "cluster.local"
    #: DNS server that pods use; empty: each node's own, at its pod bridge.
    cluster_dns: str = ""
    node_port_first: Port = 30000
    node_port_last: Port = 32767

    @property
    def api_service_address(self) -> str:
        """The `kubernetes` Service's address: the first of the service range, as in Kubernetes."""
        return str(ipaddress.ip_network(self.service_cidr)[1])


class BrokerSettings(Settings, frozen=True):
    """The mosquitto that the master runs itself."""

    port: Port = DEFAULT_BROKER_PORT
    #: Empty: all addresses, because agents connect to it from other hosts.
    address: str = ""
    #: The mosquitto program: a name on the PATH or a path.
    program: str = "mosquitto"
    #: Host name or address that agents are told; empty: the master's advertise address.
    advertise: str = ""


class AuditSettings(Settings, frozen=True):
    """The audit log (docs/operation.md); off without a policy."""

    #: An audit.k8s.io/v1 Policy.
    policy_file: str = ""
    #: Empty: audit/audit.log in the data folder.
    log_file: str = ""
    #: The file is rotated at this size; this many rotated ones are kept, and none for longer than this. 0 keeps all.
    max_size_mb: Positive = 100.0
    max_backups: Annotated[int, msgspec.Meta(ge=0)] = 10
    max_age_days: Annotated[int, msgspec.Meta(ge=0)] = 30
    #: Longer bodies are left out of the log (kube-apiserver's --audit-log-truncate-max-event-size).
    max_body_bytes: Annotated[int, msgspec.Meta(ge=0)] = 102_400


class LimitSettings(Settings, frozen=True):
    """What clients of the API may cost (docs/limits.md). In brackets kube-apiserver's flag for the same."""

    #: Connections open at once; beyond them the longest idle one makes room. The limit of open files bounds it further.
    max_connections: Annotated[int, msgspec.Meta(ge=16)] = 25_000
    #: Requests answered at once, shared among the priority levels (--max-requests-inflight, --max-mutating-requests-inflight).
    max_in_flight: Annotated[int, msgspec.Meta(ge=1)] = 600
    #: How long a request waits for its turn before it gets 429.
    queue_wait_seconds: Positive = 15.0
    #: Watches, logs and streams open at once, shared among the users.
    max_long_running: Annotated[int, msgspec.Meta(ge=2)] = 20_000
    #: How long a watch lasts at least when its client names no time; each gets up to twice as long (--min-request-timeout).
    min_watch_seconds: Positive = 1800.0
    #: How long a client may take to send a request's head, and its body.
    header_timeout_seconds: Positive = 32.0
    body_timeout_seconds: Positive = 30.0
    #: How long a stop waits for requests that are being answered.
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)] = 5.0


class MasterSettings(Settings, frozen=True):
    """All settings of the master."""

    data_dir: str = DEFAULT_DATA_DIR
    listen: ListenSettings = ListenSettings()
    #: The address or name that kubectl, agents and pods reach this master at; empty: the default route's source address.
    advertise_address: str = ""
    #: Further DNS names and addresses for the server certificates.
    extra_sans: tuple[str, ...] = ()
    network: NetworkSettings = NetworkSettings()
    #: A mapping configures the broker that the master runs; `mqtts://host:port` names an external one.
    broker: BrokerSettings | str = BrokerSettings()
    #: Where `init` writes the administrator's kubeconfig; empty: admin.kubeconfig beside the default settings file, or in
    #: the data folder when that is another than the default one.
    kubeconfig: str = ""
    log_level: str = "INFO"
    #: How often nodes say that they live. One that was silent for three of the longest heartbeats is taken to be gone.
    heartbeat_seconds: Annotated[float, msgspec.Meta(gt=0, le=4)] = 4.0
    #: How long an Event is kept after it was seen last (kube-apiserver's --event-ttl).
    event_ttl_seconds: Positive = 3600.0
    audit: AuditSettings = AuditSettings()
    limits: LimitSettings = LimitSettings()
    #: The age at which a pod's service account token is replaced at the latest; before that at 80 % of its life.
    pod_token_max_age_seconds: Annotated[float, msgspec.Meta(ge=5)] = 24 * 3600.0
    #: The longest life of a service account token on request; 0: no bound but Kubernetes' 2^32 seconds.
    service_account_max_token_seconds: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir)

    @property
    def pki_path(self) -> Path:
        return self.data_path / "pki"

    @property
    def audit_log_path(self) -> Path:
        return Path(self.audit.log_file) if self.audit.log_file else self.data_path / "audit" / "audit.log"

    @property
    def kubeconfig_path(self) -> Path:
        if self.kubeconfig:
            return Path(self.kubeconfig)
        folder = DEFAULT_CONFIG.parent if self.data_dir == DEFAULT_DATA_DIR else self.data_path
        return folder / "admin.kubeconfig"


def load(path: Path | None, flags: Mapping[str, Any] | None = None) -> MasterSettings:
    """Read, lay flags over, validate. `path` None: the default file if it exists. Raises InvalidSettings."""
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    settings = base.load(MasterSettings, path, flags)
    try:
        _validate(settings)
    except InvalidSettings as error:
        raise InvalidSettings(f"{path or 'settings'}: {error}") from error
    return settings


def broker_address(url: str) -> tuple[str, int]:
    """Host and port of an external broker's URL. Raises InvalidSettings."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise InvalidSettings(f"broker: {url!r} has no valid port") from error
    if parts.scheme != "mqtts" or not parts.hostname or parts.username or parts.path not in ("", "/"):
        raise InvalidSettings(f"broker: {url!r} must be mqtts://host:port (the connection is mutual TLS)")
    return parts.hostname, port or DEFAULT_BROKER_PORT


def _validate(settings: MasterSettings) -> None:
    network = settings.network
    cluster = _cidr("network.cluster_cidr", network.cluster_cidr)
    service = _cidr("network.service_cidr", network.service_cidr)
    if cluster.overlaps(service):
        raise InvalidSettings(f"network.service_cidr {service} overlaps network.cluster_cidr {cluster}")
    if network.node_prefix <= cluster.prefixlen:
        raise InvalidSettings(f"network.node_prefix {network.node_prefix} leaves no room for nodes in {cluster}")
    if service.prefixlen > 28:
        raise InvalidSettings(f"network.service_cidr {service} is too small: at least a /28")
    if network.node_port_first > network.node_port_last:
        raise InvalidSettings("network.node_port_first must not exceed network.node_port_last")
    if network.cluster_dns:
        _address("network.cluster_dns", network.cluster_dns)
    if settings.listen.address:
        _address("listen.address", settings.listen.address)
    if isinstance(settings.broker, str):
        broker_address(settings.broker)
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise InvalidSettings("log_level must be DEBUG, INFO, WARNING or ERROR")


def _cidr(setting: str, value: str) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise InvalidSettings(f"{setting}: {value!r} is not an IPv4 network such as 10.96.0.0/16") from error
    if network.is_loopback or network.is_link_local or network.is_multicast or network.prefixlen == 0:
        raise InvalidSettings(f"{setting}: {value} is not for hosts to use")
    return network


def _address(setting: str, value: str) -> None:
    try:
        ipaddress.ip_address(value)
    except ValueError as error:
        raise InvalidSettings(f"{setting}: {value!r} is not an IP address") from error
