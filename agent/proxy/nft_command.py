"""The `nft` program as an async function: one transaction in, an exception out. The only place that runs it."""

import asyncio

#: Loading 10,000 Services takes about a second; a stuck netlink must not hold the proxy for ever.
TIMEOUT = 60.0


class NftFailed(Exception):
    """nft refused the transaction (then nothing of it was applied) or could not run."""


async def nft(*arguments: str, stdin: str = "") -> bytes:
    """Run nft to its end; its output. Raises NftFailed."""
    try:
        process = await asyncio.create_subprocess_exec(
            "nft",
            *arguments,
            # A pipe to a program that reads none breaks under uvloop when the program ends first.
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise NftFailed(f"nft cannot be run: {error}") from error
    try:
        async with asyncio.timeout(TIMEOUT):
            stdout, stderr = await process.communicate(stdin.encode() if stdin else None)
    except TimeoutError as error:
        raise NftFailed(f"nft did not end within {TIMEOUT:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise NftFailed(stderr.decode(errors="replace").strip()[:1000] or f"nft ended with {process.returncode}")
    return stdout


async def apply(commands: str) -> None:
    """Apply commands as one atomic transaction. Raises NftFailed."""
    await nft("-f", "-", stdin=commands)
