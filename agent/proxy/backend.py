"""What every proxy mode does, as a protocol; `KubeProxy` drives one. tests/contract/test_proxy_modes.py holds for each."""

from collections.abc import Collection, Iterable
from typing import Protocol

from agent.proxy.model import ServicePort, ServicePortName


class ProxyFailed(Exception):
    """The backend could not bring the node to the wanted state; the next full sync tries again."""


class Backend(Protocol):
    """Owned by one `KubeProxy`, which never calls two methods at once."""

    #: As `--mode` names it.
    mode: str

    async def run(self) -> None:
        """Serve until cancelled; what the backend needs to keep running beside the syncs. Started before any sync."""
        ...

    async def sync(self, wanted: Iterable[ServicePort], gone: Collection[ServicePortName]) -> None:
        """Bring these ports to what is wanted and remove the ones that are gone; others stay. Idempotent.

        Raises ProxyFailed; then the caller calls `sync_all`.
        """
        ...

    async def sync_all(self, wanted: Iterable[ServicePort]) -> None:
        """Bring the node to exactly these ports, mending what something else changed. Raises ProxyFailed."""
        ...

    async def teardown(self) -> None:
        """Remove everything that this mode ever made on this node (`wherry-agent reset`). Idempotent; raises ProxyFailed."""
        ...
