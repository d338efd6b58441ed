"""No object, however mutilated, makes the verbs raise anything but a StatusError."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from master.api.kinds.registry import KINDS
from master.api.registry.storage import decode
from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from tests.integration.api_fuzz import places
from tests.integration.api_objects import example
from tests.integration.api_world import api_world

Json = dict[str, Any]
VALUES: list[Any] = [
    None, "", 0, -1, [], {}, "x", True, "A_B", [None], [{}], {"": ""}, {"a": None}, 10**12, 1.5, "None", "é" * 300, ["a", "a"],
]  # fmt: skip


def mutilated(obj: Json, chance: random.Random) -> Json:
    obj = copy.deepcopy(obj)
    place = chance.choice(list(places(obj)))
    parent: Any = obj
    for step in place[:-1]:
        parent = parent[step]
    if chance.random() < 0.3:
        del parent[place[-1]]
    else:
        parent[place[-1]] = copy.deepcopy(chance.choice(VALUES))
    return obj


@pytest.mark.parametrize("seed", range(3))
async def test_mutilated_objects_are_refused_or_stored_but_break_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    outcomes = {"stored": 0, "refused": 0}
    async with api_world(tmp_path) as world:
        verbs = world.registry
        kinds = [(kind, valid) for kind in KINDS if "create" in kind.verbs and (valid := example(kind))]
        for number in range(400):
            kind, content = chance.choice(kinds)
            resource, namespace = kind.resource, "default" if kind.namespaced else ""
            whole = {"metadata": {"name": f"x{number}", "labels": {"a": "b"}, "annotations": {"c": "d"}}, **content}
            try:
                first = mutilated(whole, chance) if chance.random() < 0.5 else copy.deepcopy(whole)
                stored = decode(await verbs.create(resource, namespace, first))
                outcomes["stored"] += 1
                name = stored["metadata"]["name"]
                if chance.random() < 0.5:
                    await verbs.update(resource, namespace, name, mutilated(stored, chance))
                else:
                    patch = mutilated(whole, chance)
                    await verbs.patch(resource, namespace, name, "application/strategic-merge-patch+json", patch)
                await verbs.delete(resource, namespace, name, DeleteOptions(grace_period_seconds=0))
            except StatusError as error:
                if not 400 <= error.code < 500:
                    raise
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 40, outcomes
