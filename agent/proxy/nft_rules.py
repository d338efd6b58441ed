"""The text of the table `ip wherry`: what it always holds, and what one Service port adds. Pure.

A packet's way (one look-up whatever the number of Services):

    prerouting, output (nat) ─► dispatch ─ address, protocol, port ─► service/<ns>/<name>/<protocol>/<port>
                                        └─ local address, port ────► the same, or external/… (externalTrafficPolicy Local)
    service/…  dnat to numgen inc mod <endpoints> offset <slot> map @endpoints-<protocol>-<shard>

`numgen inc` counts per rule, so round robin is exact per Service. The endpoints lie in maps shared by up to `SHARD_SLOTS`
chains: a map of its own for each chain, or one map for all, makes loading quadratic in the kernel (10,000 Services: 9 s and
8 s; with shards 0.6 s). An endpoint that changes is one map element.

With sessionAffinity ClientIP a chain per endpoint remembers its clients in a set, as kube-proxy's nftables mode does.
"""

import heapq
from dataclasses import dataclass

from agent.proxy.model import Endpoint, ServicePort, ServicePortName
from agent.proxy.nft_ruleset import Fragment

TABLE = "ip wherry"
#: Chains that share one endpoint map. The kernel walks all users of a map for each new one.
SHARD_SLOTS = 128
#: Endpoints of one chain at most; Kubernetes' Services stay far below.
SLOT_SIZE = 1 << 16

_ADDRESS_KEY = "ipv4_addr . inet_proto . inet_service"
_PORT_KEY = "inet_proto . inet_service"
_PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class NftOptions:
    """What the table's fixed part depends on. Empty CIDRs: not known, the rules for them are left out."""

    cluster_cidr: str = ""
    service_cidr: str = ""
    #: CIDRs of the node's own addresses that answer on node ports; empty: all, 127.0.0.1 too.
    node_port_addresses: tuple[str, ...] = ()


def base(options: NftOptions) -> str:
    """The table without Services."""
    node_addresses = "fib daddr type local"
    if options.node_port_addresses:
        node_addresses += f" ip daddr {{ {', '.join(options.node_port_addresses)} }}"
    reject_unknown = f"ip daddr {options.service_cidr} goto refuse" if options.service_cidr else ""
    from_outside = ""
    if options.cluster_cidr and options.service_cidr:
        # Else the answer would not come back through this node.
        from_outside = (
            f"ct status dnat ct original ip daddr {options.service_cidr} "
            f"ip saddr != {options.cluster_cidr} fib saddr type != local masquerade"
        )
    declarations = "\n".join(f"\tset masquerade-node-ports-{one} {{ type inet_service; }}" for one in _PROTOCOLS)
    no_cluster_ip = f"ct original ip daddr != {options.service_cidr} " if options.service_cidr else ""
    # One rule each: nft knows `ct original proto-dst` in no concatenation.
    node_ports = "\n".join(
        f"\t\tfib saddr type != local {no_cluster_ip}meta l4proto {one} "
        f"ct original proto-dst @masquerade-node-ports-{one} masquerade"
        for one in _PROTOCOLS
    )
    return f"""
table {TABLE} {{
	comment "wherry: Services"
	map services {{ type {_ADDRESS_KEY} : verdict; }}
	map node-ports {{ type {_PORT_KEY} : verdict; }}
	map no-endpoints {{ type {_ADDRESS_KEY} : verdict; }}
	map no-endpoint-node-ports {{ type {_PORT_KEY} : verdict; }}
	set hairpins {{ type ipv4_addr . ipv4_addr; }}
	set masquerade-addresses {{ type ipv4_addr; }}
{declarations}

	chain refuse {{
		meta l4proto tcp reject with tcp reset
		reject with icmp port-unreachable
	}}
	chain dispatch {{
		ip daddr . meta l4proto . th dport vmap @services
		{node_addresses} meta l4proto . th dport vmap @node-ports
	}}
	chain prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		meta l4proto {{ tcp, udp, sctp }} goto dispatch
	}}
	chain output {{
		type nat hook output priority -100; policy accept;
		meta l4proto {{ tcp, udp, sctp }} goto dispatch
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ct status & dnat == 0 accept
		ip saddr . ip daddr @hairpins masquerade
		ip saddr 127.0.0.0/8 oifname != "lo" masquerade
		ct original ip daddr @masquerade-addresses masquerade
{node_ports}
		{from_outside}
	}}
	chain no-endpoints-check {{
		ip daddr . meta l4proto . th dport vmap @no-endpoints
		{node_addresses} meta l4proto . th dport vmap @no-endpoint-node-ports
		{reject_unknown}
	}}
	chain filter-forward {{
		type filter hook forward priority filter; policy accept;
		ct state new goto no-endpoints-check
	}}
	chain filter-output {{
		type filter hook output priority filter; policy accept;
		ct state new goto no-endpoints-check
	}}
	chain filter-input {{
		type filter hook input priority filter; policy accept;
		iifname != "lo" ip daddr 127.0.0.0/8 ct state new drop comment "only answers come in for loopback (CVE-2020-8558)"
		ct state new goto no-endpoints-check
	}}
}}
"""


def base_chains(options: NftOptions) -> dict[str, int]:
    """The chains of `base` and how many rules each has."""
    chains: dict[str, int] = {}
    current = ""
    for line in map(str.strip, base(options).splitlines()):
        if line.startswith("chain "):
            current = line.split()[1]
            chains[current] = 0
        elif line == "}":
            current = ""
        elif current and line and not line.startswith("type "):
            chains[current] += 1
    return chains


class Slots:
    """Places in the shared endpoint maps: each chain that balances has one as long as it lives."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        self._free: dict[str, list[int]] = {}
        self._next: dict[str, int] = {}

    def take(self, chain: str, protocol: str) -> tuple[str, int]:
        """The map and the first index for a chain; the same again when it already has one."""
        number = self._taken.get(chain)
        if number is None:
            if free := self._free.get(protocol):
                number = heapq.heappop(free)
            else:
                number = self._next.get(protocol, 0)
                self._next[protocol] = number + 1
            self._taken[chain] = number
        shard, place = divmod(number, SHARD_SLOTS)
        return f"endpoints-{protocol}-{shard}", place * SLOT_SIZE

    def release(self, chain: str, protocol: str) -> None:
        number = self._taken.pop(chain, None)
        if number is not None:
            heapq.heappush(self._free.setdefault(protocol, []), number)


def shard_declaration(protocol: str) -> str:
    return f"typeof numgen inc mod 2 : ip daddr . {protocol} dport;"


def owner(name: ServicePortName) -> str:
    """What a Service port's chains are called after their kind."""
    return f"{name.namespace}/{name.name}/{name.protocol.lower()}/{name.port}"


def chain_names(name: ServicePortName) -> tuple[str, str]:
    """The chains of a Service port that may have a slot."""
    return f"service/{owner(name)}", f"local/{owner(name)}"


def fragment(port: ServicePort, slots: Slots) -> Fragment:
    """What a Service port adds to the table."""
    return _FragmentBuilder(port, slots).build()


class _FragmentBuilder:
    def __init__(self, port: ServicePort, slots: Slots) -> None:
        self._port = port
        self._slots = slots
        self._owner = owner(port.name)
        self._protocol = port.name.protocol.lower()
        self._sets: dict[str, str] = {}
        self._chains: dict[str, tuple[str, ...]] = {}
        self._elements: dict[tuple[str, str], str] = {}

    def build(self) -> Fragment:
        port = self._port
        by_address = f"{port.cluster_ip} . {self._protocol} . {port.name.port}"
        external = [f"{ip} . {self._protocol} . {port.name.port}" for ip in port.external_ips]
        self._map("services", "no-endpoints", by_address, self._internal(), has_any=bool(port.cluster_endpoints))
        if external or port.node_port:
            target = self._external()
            for key in external:
                self._map("services", "no-endpoints", key, target, has_any=bool(port.cluster_endpoints))
            if port.node_port:
                key = f"{self._protocol} . {port.node_port}"
                self._map("node-ports", "no-endpoint-node-ports", key, target, has_any=bool(port.cluster_endpoints))
            if not port.external_local:
                # Else the endpoint would answer the client directly. (By address only: see `base`.)
                self._elements |= {("masquerade-addresses", ip): "" for ip in port.external_ips}
                if port.node_port:
                    self._elements[f"masquerade-node-ports-{self._protocol}", str(port.node_port)] = ""
        for endpoint in {*port.cluster_endpoints, *port.local_endpoints}:
            if endpoint.local:
                self._elements["hairpins", f"{endpoint.address} . {endpoint.address}"] = ""
        return Fragment(self._sets, self._chains, self._elements)

    def _map(self, services: str, none: str, key: str, target: str, *, has_any: bool) -> None:
        if target:
            self._elements[services, key] = f"goto {target}"
        else:
            # A policy that finds no local endpoint drops, as kube-proxy does; no endpoint anywhere is refused.
            self._elements[none, key] = "drop" if has_any else "goto refuse"

    def _internal(self) -> str:
        return self._local() if self._port.internal_local else self._cluster()

    def _cluster(self) -> str:
        return self._balance(chain_names(self._port.name)[0], self._port.cluster_endpoints)

    def _local(self) -> str:
        return self._balance(chain_names(self._port.name)[1], self._port.local_endpoints)

    def _external(self) -> str:
        """The chain for connections to node ports and external IPs; "" when there is none to go to."""
        if not self._port.external_local:
            return self._cluster()
        cluster = self._cluster()
        if not cluster:
            return ""
        local = self._local()
        # Pods and the node itself get the whole Service even so: only outside clients need their address kept.
        name = f"external/{self._owner}"
        self._chains[name] = (
            f"fib saddr type local goto {cluster}",
            f'iifname "wherry0" goto {cluster}',
            f"goto {local}" if local else "drop",
        )
        return name

    def _balance(self, chain: str, endpoints: tuple[Endpoint, ...]) -> str:
        if not endpoints:
            return ""
        if chain in self._chains:
            return chain
        prefix = f"meta l4proto {self._protocol}"
        if self._port.affinity_seconds:
            self._chains[chain] = self._sticky(chain, endpoints)
            return chain
        shard, offset = self._slots.take(chain, self._protocol)
        self._chains[chain] = (f"{prefix} dnat ip to numgen inc mod {len(endpoints)} offset {offset} map @{shard}",)
        for index, endpoint in enumerate(endpoints):
            self._elements[shard, str(offset + index)] = f"{endpoint.address} . {endpoint.port}"
        return chain

    def _sticky(self, chain: str, endpoints: tuple[Endpoint, ...]) -> tuple[str, ...]:
        names = [f"{chain}/{endpoint.address}/{endpoint.port}" for endpoint in endpoints]
        for name, endpoint in zip(names, endpoints, strict=True):
            self._sets[f"clients/{name}"] = (
                f"type ipv4_addr; size 65535; flags dynamic,timeout; timeout {self._port.affinity_seconds}s;"
            )
            self._chains[name] = (
                f"update @clients/{name} {{ ip saddr }}",
                f"meta l4proto {self._protocol} dnat ip to {endpoint.address}:{endpoint.port}",
            )
        turns = ", ".join(f"{index} : goto {name}" for index, name in enumerate(names))
        return (
            *(f"ip saddr @clients/{name} goto {name}" for name in names),
            f"numgen inc mod {len(names)} vmap {{ {turns} }}",
        )
