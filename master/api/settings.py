"""The API's slice of the master's settings."""

import ipaddress

import msgspec

from proto.daemon.settings import Settings


class ApiSettings(Settings, frozen=True):
    """How the API listens, which addresses it hands out, and what it bounds."""

    address: str = "0.0.0.0"
    #: 0 picks a free port.
    port: int = 6443
    #: The address of the `kubernetes` Service's endpoint, reachable from pods; "" leaves the EndpointSlice empty.
    advertise_address: str = ""
    #: The port of that endpoint; 0 means `port`.
    advertise_port: int = 0
    service_cidr: str = "10.96.0.0/16"
    #: Who issues service account tokens (their `iss`); also the audience that the API takes them for.
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    #: The longest life of a token on request, in seconds; 0: Kubernetes' own bound (2^32).
    service_account_max_token_seconds: int = 0
    node_port_first: int = 30000
    node_port_last: int = 32767
    #: Kubernetes' limit of a request body.
    max_body_bytes: int = 3 * 1024 * 1024
    #: How long a client may take to send its body, in seconds.
    body_timeout_seconds: float = 30.0
    #: How long a client may take to send the head of a request, or to begin one on a new connection (kube-apiserver's 32).
    header_timeout_seconds: float = 32.0
    #: Connections open at once; beyond them the longest idle one makes room. The limit of open files bounds it further.
    max_connections: int = 25_000
    #: Requests answered at once (kube-apiserver's 400 + 200), shared among the priority levels (`master.api.flowcontrol`);
    #: watches count until they begin, streams and the group system:masters do not.
    max_in_flight: int = 600
    #: How long a request waits for its turn before it gets 429 (a quarter of kube-apiserver's request time-out).
    queue_wait_seconds: float = 15.0
    #: Watches, logs and streams open at once, beyond them 429.
    max_long_running: int = 20_000
    #: How long a watch lasts at least when the client names no time; each gets up to twice as long (kube-apiserver's 1800).
    min_watch_seconds: float = 1800.0
    #: How often an idle watch that allows them gets a bookmark.
    bookmark_seconds: float = 60.0
    #: How long a stop waits for requests that are being answered.
    drain_seconds: float = 5.0

    def __post_init__(self) -> None:
        try:
            network = ipaddress.ip_network(self.service_cidr)
        except ValueError as error:
            raise msgspec.ValidationError(f"service_cidr: {error}") from error
        if network.version != 4 or network.num_addresses < 8:
            raise msgspec.ValidationError("service_cidr: must be an IPv4 network of at least 8 addresses (/29)")
        if not 0 < self.node_port_first <= self.node_port_last < 65536:
            raise msgspec.ValidationError("node_port_first: node ports must be a range within 1 and 65535")
        if not 0 <= self.port < 65536:
            raise msgspec.ValidationError("port: must be within 0 and 65535")
