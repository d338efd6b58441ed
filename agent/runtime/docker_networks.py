"""The pod network on Docker: one bridge, addresses from the node's pod CIDR. Part of DockerRuntime."""

from typing import Any

import docker

from agent.runtime.docker_part import DockerPart
from agent.runtime.errors import Conflict, NotFound
from agent.runtime.spec import LABEL_KIND

#: Of a bridge that was given none.
_DOCKER_MTU = 1500


class DockerNetworks(DockerPart):
    async def ensure_network(self, name: str, *, subnet: str, gateway: str, bridge: str, mtu: int) -> int:
        present: dict[str, Any] | None
        try:
            present = await self._engine.quick(lambda client: client.inspect_network(name))
        except NotFound:
            present = None
        if present is not None:
            pools = (present.get("IPAM") or {}).get("Config") or [{}]
            options = present.get("Options") or {}
            wanted = (subnet, gateway, bridge)
            found = (pools[0].get("Subnet"), pools[0].get("Gateway"), options.get("com.docker.network.bridge.name"))
            its_mtu = int(options.get("com.docker.network.driver.mtu") or _DOCKER_MTU)
            used = bool(present.get("Containers"))
            if found == wanted and (its_mtu == mtu or used):
                return its_mtu
            if used:
                raise Conflict(f"network {name} has subnet {found[0]} but should have {subnet}, and containers still use it")
            await self._engine.work(lambda client: client.remove_network(name))
        await self._make(name, subnet=subnet, gateway=gateway, bridge=bridge, mtu=mtu)
        return mtu

    async def remove_network(self, name: str) -> None:
        """For `wherry-agent reset`. Nothing happens when it does not exist or does not carry the house's mark."""
        try:
            present = await self._engine.quick(lambda client: client.inspect_network(name))
            if LABEL_KIND in (present.get("Labels") or {}):
                await self._engine.work(lambda client: client.remove_network(name))
        except NotFound:
            return

    async def _make(self, name: str, *, subnet: str, gateway: str, bridge: str, mtu: int) -> None:
        def call(client: docker.APIClient) -> None:
            pool = docker.types.IPAMPool(subnet=subnet, gateway=gateway)
            client.create_network(
                name,
                driver="bridge",
                ipam=docker.types.IPAMConfig(pool_configs=[pool]),
                options={
                    "com.docker.network.bridge.name": bridge,
                    # Pods reach each other without NAT; what leaves the cluster is masqueraded by agent.network.
                    "com.docker.network.bridge.enable_ip_masquerade": "false",
                    "com.docker.network.driver.mtu": str(mtu),
                },
                labels={LABEL_KIND: "network"},
                check_duplicate=True,
            )

        await self._engine.work(call)
