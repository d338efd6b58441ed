"""`deploy/quickstart` as a new user runs it: once, again, and undone. It works on this machine itself, so root is needed and
a wherry that is installed here already stays untouched: the test refuses to run then."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.hosts import Completed, run

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

QUICKSTART = str(Path(__file__).resolve().parents[2] / "deploy" / "quickstart")
LEFT_BEHIND = (
    "/opt/wherry",
    "/etc/wherry-master",
    "/etc/wherry-agent",
    "/var/lib/wherry-master",
    "/var/lib/wherry-agent",
    "/var/lib/wherry-quickstart",
    "/var/log/wherry",
    "/run/wherry",
    "/usr/local/bin/wherry-master",
    "/usr/local/bin/wherry-agent",
)


async def _quickstart(home: Path, *argv: str) -> Completed:
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("KUBECONFIG", None)
    return await run(QUICKSTART, *argv, check=False, timeout=600, env=environment)


def _present() -> list[str]:
    return [path for path in LEFT_BEHIND if Path(path).exists()]


def _answers(completed: Completed) -> dict[str, int]:
    found = re.findall(r"(\d+) x hello from (\S+)", completed.stdout)
    return {pod: int(times) for times, pod in found}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    assert _present() == [], "wherry is installed on this machine: undo it first (deploy/quickstart undo)"
    folder = tmp_path_factory.mktemp("home")
    try:
        yield folder
    finally:
        await _quickstart(folder, "undo")


async def test_it_starts_a_cluster_whose_service_answers_from_both_pods(home: Path) -> None:
    completed = await _quickstart(home)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    answers = _answers(completed)
    assert len(answers) == 2, completed.stdout
    assert sum(answers.values()) >= 8


async def test_it_can_be_run_again_and_restarts_nothing(home: Path) -> None:
    listed = ("docker", "ps", "-q", "--no-trunc", "--filter", "label=io.wherry.pod.uid")
    before = set((await run(*listed)).stdout.split())
    assert len(before) >= 4
    completed = await _quickstart(home)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert len(_answers(completed)) == 2
    assert set((await run(*listed)).stdout.split()) == before


async def test_undo_leaves_nothing_behind(home: Path) -> None:
    completed = await _quickstart(home, "undo")
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert _present() == []
    assert (await run("docker", "ps", "-aq", "--filter", "label=io.wherry.pod.uid")).stdout == ""
    assert (await run("docker", "network", "ls", "-q", "--filter", "name=^wherry$")).stdout == ""
    assert (await run("docker", "image", "ls", "-q", "wherry/*")).stdout == ""
    assert "wherry" not in (await run("nft", "list", "tables")).stdout
    assert "wherry" not in (await run("ip", "-o", "link")).stdout
    processes = await run("pgrep", "-f", "wherry-(master|agent) run", check=False)
    assert processes.stdout == ""
