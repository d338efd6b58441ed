"""Commands run by tests, on the loop: their output as text, a failure as an exception that shows it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class CommandFailed(AssertionError):
    """A command that had to succeed did not; shows what it said."""

    def __init__(self, completed: Completed) -> None:
        super().__init__(f"{' '.join(completed.argv)} ended with {completed.returncode}\n{completed.stdout}{completed.stderr}")
        self.completed = completed


async def run(
    *argv: str,
    stdin: bytes | None = None,
    check: bool = True,
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a command to its end. It is killed after `timeout` seconds (TimeoutError).

    Raises CommandFailed for a non-zero exit unless `check` is False.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    try:
        async with asyncio.timeout(timeout):
            stdout, stderr = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    completed = Completed(argv, process.returncode or 0, stdout.decode(errors="replace"), stderr.decode(errors="replace"))
    if check and completed.returncode != 0:
        raise CommandFailed(completed)
    return completed
