"""What lets pods' packets pass the node: accept rules beside Docker's, and masquerading at the cluster's edge.

Docker sets the FORWARD policy of iptables to DROP. In nftables a drop in any base chain wins, so an accept in a table of our
own would not help: the accepts have to stand in iptables, in the chain DOCKER-USER, which Docker calls first and never
flushes. Where that chain is missing (Docker without iptables, a firewall of another kind) they stand in FORWARD. Both kinds of
iptables (legacy, nf_tables) are served, because the same `iptables` is called as Docker calls.

Our rules carry the comment `wherry`; our table is `ip wherry-net` (`ip wherry` is the proxy's).
"""

from collections.abc import Sequence

from agent.network.plan import NetworkProblem, Plan
from agent.program import Finished, ProgramFailed, ProgramMissing, run

TABLE = "ip wherry-net"
_MARK = ("-m", "comment", "--comment", "wherry", "-j", "ACCEPT")
_CHAINS = ("DOCKER-USER", "FORWARD")
_TIMEOUT = 30.0


async def _run(*argv: str, stdin: str = "") -> Finished:
    """Raises NetworkProblem, ProgramMissing."""
    try:
        return await run(*argv, stdin=stdin, timeout=_TIMEOUT)
    except ProgramMissing:
        raise
    except ProgramFailed as error:
        raise NetworkProblem(str(error)) from error


def _check(finished: Finished, program: str) -> None:
    """Raises NetworkProblem."""
    if finished.code != 0:
        raise NetworkProblem(f"{program}: {finished.complaint}")


def accept_rules(bridge: str) -> list[tuple[str, ...]]:
    """The iptables rules that let packets from and to pods pass."""
    return [("-i", bridge, *_MARK), ("-o", bridge, *_MARK)]


def masquerade_table(plan: Plan, bridge: str, *, bridge_netfilter: bool) -> str:
    """Our nft table. What pods send to pods and Services keeps its source; what leaves the cluster gets the node's."""
    same_bridge = ""
    if not bridge_netfilter:
        # Without br_netfilter the answer of a pod on the same bridge would not be translated back: make it come through us.
        same_bridge = f"ip saddr {plan.pod_cidr} ip daddr {plan.pod_cidr} ct status dnat masquerade"
    return f"""
table {TABLE} {{
	comment "wherry: pod network"
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		{same_bridge}
		ip saddr {plan.pod_cidr} ip daddr {{ {plan.cluster_cidr}, {plan.service_cidr}, 224.0.0.0/4 }} return
		ip saddr {plan.pod_cidr} oifname != "{bridge}" masquerade
	}}
}}
"""


class Firewall:
    """Keeps the rules in place; `ensure` is called again and again."""

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge
        self._applied = ""
        self._listing = b""

    async def ensure(self, plan: Plan, *, bridge_netfilter: bool) -> None:
        """Raises NetworkProblem."""
        await self._ensure_accepts()
        await self._ensure_table(masquerade_table(plan, self._bridge, bridge_netfilter=bridge_netfilter))

    async def remove(self) -> None:
        """Remove every rule of ours. Raises NetworkProblem."""
        self._applied = ""
        try:
            for chain in _CHAINS:
                for rule in accept_rules(self._bridge):
                    while await self._iptables("-D", chain, rule):
                        pass
        except ProgramMissing:
            pass
        try:
            _check(await _run("nft", "-f", "-", stdin=f"add table {TABLE}\ndelete table {TABLE}\n"), "nft")
        except ProgramMissing:
            return

    async def _ensure_accepts(self) -> None:
        try:
            there = (await _run("iptables", "-w", "-n", "-L", "DOCKER-USER")).code == 0
            chain = "DOCKER-USER" if there else "FORWARD"
            for rule in accept_rules(self._bridge):
                if not await self._iptables("-C", chain, rule):
                    _check(await _run("iptables", "-w", "-I", chain, "1", *rule), "iptables")
        except ProgramMissing:
            # Nobody on this host filters with iptables then, Docker neither.
            return

    async def _iptables(self, action: str, chain: str, rule: Sequence[str]) -> bool:
        return (await _run("iptables", "-w", action, chain, *rule)).code == 0

    async def _ensure_table(self, wanted: str) -> None:
        try:
            if wanted == self._applied and await self._listed() == self._listing:
                return
            _check(await _run("nft", "-f", "-", stdin=f"add table {TABLE}\ndelete table {TABLE}\n{wanted}"), "nft")
            self._applied, self._listing = wanted, await self._listed()
        except ProgramMissing as error:
            raise NetworkProblem("nft is not installed: pods cannot reach what is outside the cluster") from error

    async def _listed(self) -> bytes:
        return (await _run("nft", "list", "table", *TABLE.split())).output
