"""Services: their number, their node ports, and how many are load balancers."""

from collections.abc import Iterable
from typing import Any

from master.quota.evaluator import ScopeSelector

Json = dict[str, Any]

_COUNT = ("count/services", "services")
_NODE_PORTS, _LOAD_BALANCERS = "services.nodeports", "services.loadbalancers"
_NAMES = frozenset({*_COUNT, _NODE_PORTS, _LOAD_BALANCERS})


class Services:
    def handles(self, operation: str, subresource: str) -> bool:
        return operation in ("CREATE", "UPDATE") and not subresource

    def usage(self, obj: Json) -> dict[str, str]:
        spec = obj.get("spec") or {}
        ports = spec.get("ports") or ()
        node_ports = load_balancers = 0
        match spec.get("type"):
            case "NodePort":
                node_ports = len(ports)
            case "LoadBalancer":
                load_balancers = 1
                allocates = spec.get("allocateLoadBalancerNodePorts") is not False
                node_ports = len(ports) if allocates else sum(bool(port.get("nodePort")) for port in ports)
        return {**dict.fromkeys(_COUNT, "1"), _NODE_PORTS: str(node_ports), _LOAD_BALANCERS: str(load_balancers)}

    def names(self, limited: Iterable[str]) -> set[str]:
        return set(_NAMES.intersection(limited))

    def in_scope(self, obj: Json, selector: ScopeSelector) -> bool:
        return False

    def missing(self, limited: set[str], obj: Json) -> str:
        return ""
