"""Runs a program of the host to its end: `nft` and `iptables`, for kube-proxy and the pod network.

No shell, no terminal; what the program says is bounded by its own nature, how long it takes by the caller.
"""

import asyncio
from dataclasses import dataclass

#: Of what a program complains: enough for a log line or a condition's message.
_COMPLAINT_CHARACTERS = 1000


class ProgramFailed(Exception):
    """The program could not be run or did not end in time; says which and why."""


class ProgramMissing(ProgramFailed):
    """It is not installed."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A program's end. `complaint`: the beginning of its standard error."""

    code: int
    output: bytes
    complaint: str


async def run(*argv: str, timeout: float, stdin: str = "") -> Finished:
    """Run it; killed after `timeout` seconds or when cancelled. Raises ProgramFailed, ProgramMissing."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            # A pipe to a program that reads none breaks under uvloop when the program ends first.
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise ProgramMissing(f"{argv[0]} is not installed") from error
    except OSError as error:
        raise ProgramFailed(f"{argv[0]} cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout):
            stdout, stderr = await process.communicate(stdin.encode() if stdin else None)
    except TimeoutError as error:
        raise ProgramFailed(f"{argv[0]} did not end within {timeout:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    complaint = stderr.decode(errors="replace").strip()[:_COMPLAINT_CHARACTERS]
    return Finished(process.returncode or 0, stdout, complaint)
