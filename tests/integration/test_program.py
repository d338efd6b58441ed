"""Programs of the host, run for real."""

import asyncio

import pytest

from agent.program import ProgramFailed, ProgramMissing, run


async def test_output_complaint_and_code_come_back() -> None:
    finished = await run("sh", "-c", "cat; echo wrong >&2; exit 3", stdin="in", timeout=10)
    assert (finished.code, finished.output, finished.complaint) == (3, b"in", "wrong")


async def test_a_program_that_is_not_there_is_told_apart() -> None:
    with pytest.raises(ProgramMissing, match="no-such-program is not installed"):
        await run("no-such-program", timeout=10)


async def test_a_program_that_does_not_end_is_killed() -> None:
    before = asyncio.get_running_loop().time()
    with pytest.raises(ProgramFailed, match="did not end within"):
        await run("sleep", "60", timeout=0.2)
    assert asyncio.get_running_loop().time() - before < 10


async def test_a_program_that_reads_nothing_gets_no_pipe() -> None:
    assert (await run("true", timeout=10)).code == 0
