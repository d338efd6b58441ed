"""kube-proxy's nftables mode: the kernel balances; this process only changes rules. See nft_rules for their layout.

Needs CAP_NET_ADMIN and the `nft` program (1.0.1 or newer). The rules outlive the agent: nothing is removed when it stops, so
that Services go on while it is upgraded; `teardown` removes them.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from agent.proxy import nft_listing
from agent.proxy.backend import ProxyFailed
from agent.proxy.conntrack import clear_stale_udp
from agent.proxy.model import ServicePort, ServicePortName
from agent.proxy.nft_command import NftFailed, apply, nft
from agent.proxy.nft_rules import (
    TABLE,
    NftOptions,
    Slots,
    base,
    base_chains,
    chain_names,
    fragment,
    owner,
    shard_declaration,
)
from agent.proxy.nft_ruleset import EMPTY, Fragment, Ruleset

_log = logging.getLogger(__name__)

#: Lets packets from 127.0.0.1 leave by another interface: node ports answer on loopback too. The table's input chain drops
#: what would come in for loopback from outside because of it.
_ROUTE_LOCALNET = Path("/proc/sys/net/ipv4/conf/all/route_localnet")


class NftablesBackend:
    """See `agent.proxy.backend.Backend`. `options` is asked at each full sync: the node's order may come later."""

    mode = "nftables"

    def __init__(self, *, options: Callable[[], NftOptions]) -> None:
        self._options = options
        self._loaded: NftOptions | None = None
        self._reset()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def sync(self, wanted: Iterable[ServicePort], gone: Collection[ServicePortName]) -> None:
        ports = list(wanted)
        if self._loaded is None:
            raise ProxyFailed("the table was never loaded")
        commands = self._change(ports, gone)
        if commands:
            await self._apply("\n".join(commands) + "\n")
        # A flow can only be stale where an endpoint went away.
        await clear_stale_udp([port for port in ports if port != self._known.get(port.name)], gone_ports=self._forget(gone))
        self._remember(ports)

    async def sync_all(self, wanted: Iterable[ServicePort]) -> None:
        ports = list(wanted)
        options = self._options()
        names = {port.name for port in ports}
        gone = [name for name in self._known if name not in names]
        if options == self._loaded and await self._as_listed():
            await self.sync(ports, gone)
            return
        former = self._forget(gone)
        self._reset()
        shards = self._change(ports, ())
        # Deleting and making the table is one transaction: no packet sees a moment without it.
        await self._apply(f"add table {TABLE}\ndelete table {TABLE}\n{base(options)}\n" + "\n".join(shards) + "\n")
        self._loaded = options
        if not options.node_port_addresses:
            await asyncio.to_thread(_allow_loopback)
        await clear_stale_udp(ports, gone_ports=former)
        self._remember(ports)

    async def teardown(self) -> None:
        self._reset()
        await self._apply(f"add table {TABLE}\ndelete table {TABLE}\n")

    def _reset(self) -> None:
        self._loaded = None
        self._ruleset = Ruleset(TABLE)
        self._slots = Slots()
        self._shards: set[str] = set()
        self._known: dict[ServicePortName, ServicePort] = {}

    def _change(self, wanted: Iterable[ServicePort], gone: Collection[ServicePortName]) -> list[str]:
        fragments: dict[str, Fragment] = {owner(name): EMPTY for name in gone}
        for port in wanted:
            fragments[owner(port.name)] = fragment(port, self._slots)
        new_shards = []
        for piece in fragments.values():
            for container, _ in piece.elements:
                if container.startswith("endpoints-") and container not in self._shards:
                    self._shards.add(container)
                    declaration = shard_declaration(container.split("-")[1])
                    new_shards.append(f"add map {TABLE} {container} {{ {declaration} }}")
        commands = [*new_shards, *self._ruleset.change(fragments)]
        for name in gone:
            for chain in chain_names(name):
                self._slots.release(chain, name.protocol.lower())
        return commands

    def _forget(self, gone: Iterable[ServicePortName]) -> list[ServicePort]:
        return [port for name in gone if (port := self._known.pop(name, None)) is not None]

    def _remember(self, ports: Iterable[ServicePort]) -> None:
        self._known.update((port.name, port) for port in ports)

    async def _apply(self, commands: str) -> None:
        try:
            await apply(commands)
        except NftFailed as error:
            # What the kernel has is not known any more: the next sync loads everything.
            self._loaded = None
            raise ProxyFailed(str(error)) from error

    async def _as_listed(self) -> bool:
        """Whether the kernel still has what was loaded."""
        try:
            listing = nft_listing.parse(await nft("-j", "list", "table", *TABLE.split()))
        except NftFailed:
            _log.warning("the Services' rules are gone, loading them again")
            return False
        except ValueError as error:
            raise ProxyFailed(str(error)) from error
        chains = {name: len(rules) for name, rules in self._ruleset.chains().items()}
        chains |= base_chains(self._options())
        dynamic = self._ruleset.sets()
        elements = {key: value for key, value in listing.elements.items() if key[0] not in dynamic}
        if chains != listing.chains or elements != self._ruleset.elements():
            _log.warning("the Services' rules were changed by something else, loading them again")
            return False
        return True


def _allow_loopback() -> None:
    try:
        _ROUTE_LOCALNET.write_text("1")
    except OSError as error:
        _log.warning("node ports will not answer on 127.0.0.1: %s", error)
