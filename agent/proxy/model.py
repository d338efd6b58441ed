"""What the proxy knows about one port of a Service, frozen: made by `service_map`, read by the backends.

Only IPv4. The rules for which endpoints take traffic are Kubernetes' (KEP-1669, "Virtual IPs and Service Proxies"):
ready ones; when there are none, those that terminate and still serve.
"""

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["TCP", "UDP", "SCTP"]


@dataclass(frozen=True, slots=True, order=True)
class ServicePortName:
    """A port of a Service. Protocol and number are unique within a Service, the port's name may be empty."""

    namespace: str
    name: str
    protocol: Protocol
    port: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}:{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a connection can go. `local`: on this node."""

    address: str
    port: int
    local: bool


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service and the endpoints that take its new connections, in a fixed order."""

    name: ServicePortName
    cluster_ip: str
    external_ips: tuple[str, ...]
    #: 0 when the Service has none.
    node_port: int
    #: sessionAffinity ClientIP: seconds that a client sticks to its endpoint; 0 for none.
    affinity_seconds: int
    internal_local: bool
    external_local: bool
    cluster_endpoints: tuple[Endpoint, ...]
    #: Those of this node; chosen by themselves, so that the last local one may drain while others are ready elsewhere.
    local_endpoints: tuple[Endpoint, ...]

    @property
    def internal_endpoints(self) -> tuple[Endpoint, ...]:
        """For the cluster IP (internalTrafficPolicy)."""
        return self.local_endpoints if self.internal_local else self.cluster_endpoints
