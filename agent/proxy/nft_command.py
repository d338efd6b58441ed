"""The `nft` program for kube-proxy: one transaction in, an exception out."""

from agent.program import ProgramFailed, run

#: Loading 10,000 Services takes about a second; a stuck netlink must not hold the proxy for ever.
TIMEOUT = 60.0


class NftFailed(Exception):
    """nft refused the transaction (then nothing of it was applied) or could not run."""


async def nft(*arguments: str, stdin: str = "") -> bytes:
    """Run nft to its end; its output. Raises NftFailed."""
    try:
        finished = await run("nft", *arguments, stdin=stdin, timeout=TIMEOUT)
    except ProgramFailed as error:
        raise NftFailed(str(error)) from error
    if finished.code != 0:
        raise NftFailed(finished.complaint or f"nft ended with {finished.code}")
    return finished.output


async def apply(commands: str) -> None:
    """Apply commands as one atomic transaction. Raises NftFailed."""
    await nft("-f", "-", stdin=commands)
