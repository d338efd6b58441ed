"""What must hold before the master starts: that its address ranges do not hide the host's own networks.

Pure but for `check_host`. Called by `master.app`.
"""

import ipaddress
from collections.abc import Iterable

from master.host import HostNetwork, host_networks
from master.settings import NetworkSettings
from proto.daemon.settings import InvalidSettings

#: Interfaces that an agent on the same host makes begin with this.
_OWN_INTERFACES = "wherry"


def check_host(network: NetworkSettings) -> None:
    """Raises InvalidSettings naming the setting and the host's network that it overlaps."""
    check_overlaps(network, host_networks())


def check_overlaps(network: NetworkSettings, present: Iterable[HostNetwork]) -> None:
    """As `check_host`, over given networks.

    What an agent on this host made for this very cluster is no overlap: its bridge, and its routes to other nodes' pods, each
    a node's share of the cluster's addresses by a gateway.
    """
    cluster = ipaddress.ip_network(network.cluster_cidr)
    service = ipaddress.ip_network(network.service_cidr)
    for one in present:
        if one.interface.startswith(_OWN_INTERFACES):
            continue
        for setting, range_ in (("network.cluster_cidr", cluster), ("network.service_cidr", service)):
            if one.network.version != range_.version or not one.network.overlaps(range_):
                continue
            if range_ is cluster and one.routed and one.network.prefixlen == network.node_prefix:
                continue
            raise InvalidSettings(
                f"{setting} {range_} overlaps the host's network {one.network} on {one.interface or 'no interface'}: "
                "choose another range"
            )
