import ipaddress

import pytest

from master.host import HostNetwork
from master.preflight import check_overlaps
from master.settings import NetworkSettings
from proto.daemon.settings import InvalidSettings


def _on(network: str, interface: str, *, routed: bool = False) -> HostNetwork:
    return HostNetwork(ipaddress.ip_network(network), interface, routed)


@pytest.mark.parametrize(
    ("present", "setting"),
    [
        (_on("10.244.3.0/24", "eth0"), "network.cluster_cidr"),
        (_on("10.0.0.0/8", "eth0"), "network.cluster_cidr"),
        (_on("10.96.0.0/12", "tun0", routed=True), "network.service_cidr"),
        (_on("10.244.0.0/16", "eth0", routed=True), "network.cluster_cidr"),
    ],
)
def test_an_overlap_names_the_setting_and_the_network(present: HostNetwork, setting: str) -> None:
    with pytest.raises(InvalidSettings, match=setting) as caught:
        check_overlaps(NetworkSettings(), [present])
    assert str(present.network) in str(caught.value)
    assert present.interface in str(caught.value)


@pytest.mark.parametrize(
    "present",
    [
        _on("192.168.1.0/24", "eth0"),
        _on("fd00::/8", "eth0"),
        _on("10.244.0.0/24", "wherry0"),
        _on("10.244.7.0/24", "eth0", routed=True),
    ],
    ids=["elsewhere", "ipv6", "own-bridge", "own-route"],
)
def test_what_is_no_overlap_or_our_own_agents_passes(present: HostNetwork) -> None:
    check_overlaps(NetworkSettings(), [present])
