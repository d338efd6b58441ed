"""kill -9 of the agent at random points of a busy node: no container is restarted or run twice, and all is right afterwards.

`--crash-points` tells how many; a failure names the seed of its pauses.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.manifests import manifest
from tests.e2e.pods import FOREVER, pod, sh, until_ready

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(3600)]

Json = dict[str, Any]
_IMAGES = ("wherry-test/app:1", "wherry-test/app:2")
#: The agent lives so long, in seconds, between two kills: from before it has read its checkpoint to well into its work.
_LIVES = (0.1, 3.0)
#: An agent that lives so briefly gets little done: more work than this is not piled up.
_BACKLOG = 8
_ALIVE = {"command": ["true"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(("one",)) as made:
        yield made


def steady() -> list[Json]:
    """Pods of which no container may ever be restarted."""
    probes: dict[str, Any] = {name: {"exec": _ALIVE, "periodSeconds": 1} for name in ("readinessProbe", "livenessProbe")}
    sidecar = sh(FOREVER, "sidecar", restartPolicy="Always", startupProbe={"exec": _ALIVE, "periodSeconds": 1})
    return [
        pod("plain", sh(FOREVER), sh(FOREVER, "second")),
        pod("probed", sh(FOREVER, **probes)),
        pod("initialized", sh(FOREVER), initContainers=[sh("true", "init"), sidecar]),
        pod("changing", sh(FOREVER, "kept"), sh(FOREVER, "changed")),
    ]


class Node:
    """What a test sees of the node's engine, and its agent."""

    def __init__(self, cluster: Cluster) -> None:
        self._node = cluster.nodes["one"]

    async def containers(self) -> list[tuple[str, str, str, str]]:
        """Pod, container, id and start of all that run."""
        row = '{{index .Config.Labels "io.wherry.pod.name"}} {{index .Config.Labels "io.wherry.container.name"}}'
        listed = await self._node.host.docker("ps", "-q", "--no-trunc", "--filter", "label=io.wherry.kind=container")
        if not (ids := listed.stdout.split()):
            return []
        shown = await self._node.host.docker("inspect", "-f", row + " {{.Id}} {{.State.StartedAt}}", *ids, check=False)
        return [(fields[0], fields[1], fields[2], fields[3]) for line in shown.stdout.splitlines() if (fields := line.split())]

    async def crash(self) -> None:
        await self._node.agent.kill()
        await self._node.agent.start()

    async def check(self, kept: set[tuple[str, str, str, str]]) -> None:
        found = await self.containers()
        doubled = [one for one, count in Counter((name, container) for name, container, *_ in found).items() if count > 1]
        assert not doubled, f"run twice: {doubled}"
        assert kept <= set(found), f"ended: {kept - set(found)}"


class Work:
    """What keeps the node busy: each round begins a pod that ends, begins one that stays, deletes some, changes an image."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self.folder = kubectl.host.folder / "once"
        self.rounds = 0
        self.deleted: set[str] = set()

    async def step(self) -> None:
        if await self._behind() > _BACKLOG:
            return
        number = self.rounds
        self.rounds += 1
        mount: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
        volumes = [{"name": "v", "hostPath": {"path": str(self.folder), "type": "DirectoryOrCreate"}}]
        once = pod(
            f"once-{number}", sh(f"sleep 0.{number % 10}; echo main >> /v/{number}", **mount),
            restartPolicy="Never", volumes=volumes,
            initContainers=[sh(f"echo init >> /v/{number}", "init", **mount)],
        )  # fmt: skip
        await self._kubectl.apply(manifest(once, pod(f"stays-{number}", sh(FOREVER))))
        await self._kubectl("set", "image", "pod/changing", f"changed={_IMAGES[number % 2]}")
        if number >= 2:
            await self._kubectl("delete", "pod", f"stays-{number - 2}", "--wait=false")
        names = (await self._kubectl("get", "pods", "--field-selector", "status.phase=Succeeded", "-o", "name")).split()
        if old := {name for name in names if int(name.rpartition("-")[2]) < number - 4}:
            await self._kubectl("delete", *old, "--wait=false")
            self.deleted |= {name.removeprefix("pod/") for name in old}

    async def _behind(self) -> int:
        """How many of the pods are not as they are to be yet."""
        pods = (await self._kubectl("get", "pods", "--no-headers")).splitlines()
        return sum(line.split()[2] not in ("Completed", "Running") for line in pods)

    def ran(self, number: int) -> list[str]:
        return (self.folder / str(number)).read_text().split()


async def test_an_agent_killed_anywhere_restarts_nothing_and_all_is_right_afterwards(
    cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    points: int = request.config.getoption("--crash-points")
    seed = random.randrange(1 << 32)
    pauses = random.Random(seed)
    kubectl, node = cluster.kubectl, Node(cluster)
    work = Work(kubectl)
    await kubectl.apply(manifest(*steady()))
    await until_ready(kubectl, *(one["metadata"]["name"] for one in steady()))
    kept = {one for one in await node.containers() if one[1] != "changed"}
    try:
        for _ in range(points):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(work.step())
                await asyncio.sleep(pauses.uniform(*_LIVES))
                await node.crash()
            await node.check(kept)
        await cluster.nodes_ready()
        await _all_right(kubectl, node, work, kept)
    except BaseException as error:
        error.add_note(f"seed {seed}, round {work.rounds} of {points}")
        error.add_note(await kubectl("get", "pods,events", "-o", "wide", check=False))
        raise


async def _all_right(kubectl: Kubectl, node: Node, work: Work, kept: set[tuple[str, str, str, str]]) -> None:
    last = work.rounds - 1

    async def settled() -> None:
        found = {one["metadata"]["name"]: one["status"] for one in (await kubectl.json("get", "pods"))["items"]}
        finished = {f"once-{number}" for number in range(work.rounds)} - work.deleted
        staying = {f"stays-{number}" for number in range(max(0, last - 1), last + 1)}
        always = {one["metadata"]["name"] for one in steady()}
        assert found.keys() == finished | staying | always
        assert {name: found[name]["phase"] for name in finished} == dict.fromkeys(finished, "Succeeded")
        for name in staying | always:
            ready = {one["type"]: one["status"] for one in found[name]["conditions"]}["Ready"]
            assert (found[name]["phase"], ready) == ("Running", "True"), (name, found[name])
        counts = {
            (name, one["name"]): one["restartCount"]
            for name, status in found.items()
            for one in (*status["containerStatuses"], *status.get("initContainerStatuses", ()))
        }
        assert counts.pop(("changing", "changed")) <= work.rounds
        assert not any(counts.values()), counts
        running = {(name, container) for name, container, *_ in await node.containers()}
        expected = {(name, "main") for name in staying | {"plain", "probed", "initialized"}}
        expected |= {("plain", "second"), ("initialized", "sidecar"), ("changing", "kept"), ("changing", "changed")}
        assert running == expected

    await eventually(settled, seconds=120)
    await node.check(kept)
    for number in range(work.rounds):
        assert work.ran(number) == ["init", "main"], number
