"""What the pod network has to be, and when it must not be."""

from ipaddress import IPv4Network
from typing import Any

import msgspec
import pytest
from lightkube.resources.core_v1 import Node

from agent.network.firewall import masquerade_table
from agent.network.plan import HostNetwork, NetworkProblem, Plan, check_overlap, peer_routes, plan_of
from proto.messages import NodeOrder


def order(pod_cidr: str = "10.244.1.0/24", service_cidr: str = "10.96.0.0/16") -> NodeOrder:
    return NodeOrder(
        pod_cidr=pod_cidr, cluster_cidr="10.244.0.0/16", service_cidr=service_cidr, cluster_dns="", cluster_domain="x"
    )


PLAN = plan_of(order())


def node(name: str, cidr: str | None, *addresses: tuple[str, str]) -> Node:
    status: dict[str, Any] = {"addresses": [{"type": kind, "address": address} for kind, address in addresses]}
    return msgspec.convert({"metadata": {"name": name}, "spec": {"podCIDR": cidr}, "status": status}, Node)


def test_the_gateway_is_the_first_address() -> None:
    assert str(PLAN.gateway) == "10.244.1.1"


@pytest.mark.parametrize("cidr", ["nonsense", "10.244.1.5/24", "10.244.1.0/31", "10.96.3.0/24", "fd00::/64"])
def test_an_impossible_pod_cidr_is_refused(cidr: str) -> None:
    with pytest.raises(NetworkProblem):
        plan_of(order(cidr))


@pytest.mark.parametrize(
    ("network", "connected", "refused"),
    [
        ("10.244.1.0/24", True, "pod CIDR 10.244.1.0/24"),
        ("10.244.0.0/15", True, "pod CIDR 10.244.1.0/24"),
        ("10.244.7.0/24", True, "cluster CIDR 10.244.0.0/16"),
        ("10.96.4.0/30", False, "service CIDR 10.96.0.0/16"),
        ("10.0.0.0/8", False, ""),
        ("192.168.0.0/16", True, ""),
    ],
)
def test_a_network_that_the_host_has_is_named(network: str, connected: bool, refused: str) -> None:
    host = [HostNetwork(IPv4Network(network), "eth7", connected)]
    if not refused:
        check_overlap(PLAN, host)
        return
    with pytest.raises(NetworkProblem) as problem:
        check_overlap(PLAN, host)
    assert str(problem.value) == f"{refused} overlaps {network} on eth7, which this host already has"


def test_routes_lead_to_the_other_nodes_pods() -> None:
    nodes = [
        node("me", "10.244.1.0/24", ("InternalIP", "192.0.2.1")),
        node("peer", "10.244.2.0/24", ("Hostname", "peer"), ("InternalIP", "fd00::2"), ("InternalIP", "192.0.2.2")),
        node("new", None, ("InternalIP", "192.0.2.3")),
        node("lost", "10.244.4.0/24"),
        node("greedy", "0.0.0.0/0", ("InternalIP", "192.0.2.5")),
        node("thief", "10.244.1.0/25", ("InternalIP", "192.0.2.6")),
    ]
    named = {one.metadata.name or "": one for one in nodes if one.metadata}
    assert peer_routes(PLAN, "me", named) == {"10.244.2.0/24": "192.0.2.2"}


def test_pods_on_one_bridge_are_masqueraded_only_without_bridge_netfilter() -> None:
    plan: Plan = PLAN
    assert "ct status dnat masquerade" not in masquerade_table(plan, "wherry0", bridge_netfilter=True)
    assert "ct status dnat masquerade" in masquerade_table(plan, "wherry0", bridge_netfilter=False)
