"""Pod CIDRs: equal shares of the cluster's, each given to one node at most.

Pure; called by the node IPAM controller. Whatever the nodes say is taken counts as taken, in whatever size it is written.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network


class CidrSet:
    """The shares of a cluster CIDR."""

    def __init__(self, cluster: IPv4Network, mask_size: int) -> None:
        if not cluster.prefixlen <= mask_size <= 30:
            raise ValueError(f"node CIDR mask size {mask_size} does not fit into the cluster CIDR {cluster}")
        self._cluster = cluster
        self._mask_size = mask_size
        self._step = 1 << (32 - mask_size)
        self.size = 1 << (mask_size - cluster.prefixlen)

    def first_free(self, taken: Iterable[IPv4Network]) -> IPv4Network | None:
        """The lowest share that overlaps nothing taken; None when all are in use."""
        used: set[int] = set()
        base = int(self._cluster.network_address)
        for network in taken:
            if network.overlaps(self._cluster):
                first = max(0, int(network.network_address) - base) // self._step
                last = min(self.size - 1, (int(network.broadcast_address) - base) // self._step)
                used.update(range(first, last + 1))
        for index in range(self.size):
            if index not in used:
                return IPv4Network((base + index * self._step, self._mask_size))
        return None
