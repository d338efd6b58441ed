"""Writes of large objects: others are answered while they are merged, checked and validated."""

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

from tests.integration.api_world import api_world

_PODS = "/api/v1/namespaces/default/pods"
#: About 1.4 MB, a second of work for each write of it.
_VARIABLES = 30_000
#: Of the event loop's own work between two looks, in CPU seconds: how busy the machine is does not count.
_HELD_SECONDS = 0.3


def pod(value: str) -> dict[str, Any]:
    env = [{"name": f"VARIABLE_{number}", "value": value} for number in range(_VARIABLES)]
    spec = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "x", "env": env}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "large"}, "spec": spec}


class LoopWatch:
    """The longest stretch in which the event loop did nothing else."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.ended = False

    async def run(self) -> None:
        while not self.ended:
            began = time.thread_time()
            await asyncio.sleep(0.002)
            self.longest = max(self.longest, time.thread_time() - began)


async def test_a_large_write_of_any_kind_keeps_nobody_waiting(tmp_path: Path) -> None:
    patch = json.dumps({"metadata": {"annotations": {"a": "b"}}}).encode()
    applied = json.dumps(pod("applied")).encode()
    writes: list[tuple[str, str, str, bytes, int]] = [
        ("POST", _PODS, "application/json", json.dumps(pod("x")).encode(), 201),
        ("PATCH", f"{_PODS}/large", "application/merge-patch+json", patch, 200),
        ("PATCH", f"{_PODS}/large", "application/strategic-merge-patch+json", patch, 200),
        ("PATCH", f"{_PODS}/large?fieldManager=t", "application/apply-patch+yaml", applied, 409),
        (
            "PATCH",
            f"{_PODS}/other?fieldManager=t",
            "application/apply-patch+yaml",
            applied.replace(b'"large"', b'"other"'),
            201,
        ),
        (
            "PATCH",
            f"{_PODS}/other?fieldManager=t",
            "application/apply-patch+yaml",
            applied.replace(b'"large"', b'"other"'),
            200,
        ),
    ]
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        for method, path, media_type, body, code in writes:
            watch = LoopWatch()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(watch.run())
                async with http.request(method, path, data=io.BytesIO(body), headers={"Content-Type": media_type}) as response:
                    answer = await response.read()
                    assert response.status == code, answer[:300]
                watch.ended = True
            assert watch.longest < _HELD_SECONDS, (method, path, media_type)
            if code < 300:
                assert len(json.loads(answer)["spec"]["containers"][0]["env"]) == _VARIABLES
