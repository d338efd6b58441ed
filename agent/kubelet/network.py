"""What the kubelet needs of the node's pod network; `agent.network` implements it."""

from typing import Protocol


class PodNetwork(Protocol):
    """The values mean something once `ready` has returned."""

    async def ready(self) -> None:
        """Wait until sandboxes can be put on the network."""
        ...

    @property
    def problem(self) -> str:
        """Why the network is not ready, in a few words; empty when it is."""
        ...

    @property
    def name(self) -> str:
        """The container runtime's name of the network."""
        ...

    @property
    def cluster_dns(self) -> str:
        """The name server's address for pods."""
        ...

    @property
    def cluster_domain(self) -> str: ...
