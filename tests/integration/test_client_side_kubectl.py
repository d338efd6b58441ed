"""What kubectl makes of drawn objects by itself is what the server makes of them: `create --dry-run=client`, `set --local`."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.integration.api_world import ApiWorld, api_world
from tests.integration.client_side_kubectl import (
    drawn_bindings,
    drawn_creations,
    drawn_image,
    drawn_pods,
    drawn_selector,
    drawn_services,
    drawn_subject,
    drawn_workload_setting,
    drawn_workloads,
)

Json = dict[str, Any]
VERSIONS = ("1.27", "1.33")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


def _documents(text: str) -> list[Json]:
    """The objects that kubectl printed, one after the other or in a list."""
    found: list[Json] = []
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.extend(value["items"] if value["kind"] == "List" else [value])
        text = text[end:].strip()
    return found


def _list(objects: list[Json]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _missing(whole: Any, part: Any, at: str = "") -> list[str]:
    """Where a value of a part is not in the whole; the whole may have more fields, not other elements of lists."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [path for key, value in part.items() if value for path in _missing(whole.get(key), value, f"{at}.{key}")]
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        pairs = enumerate(zip(whole, part, strict=True))
        return [path for number, (item, value) in pairs for path in _missing(item, value, f"{at}[{number}]")]
    return [] if whole == part else [f"{at}: {part!r} became {whole!r}"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_the_client_would_create_is_what_is_created(world: ApiWorld, version: str) -> None:
    creations = drawn_creations(Random(f"create {version}"), each=2)
    alone: list[Json] = []
    for arguments in creations:
        # Options come before the command which some end with.
        printed = await world.ok("create", "--dry-run=client", "-o", "json", *arguments, version=version)
        alone.extend(_documents(printed))
    there = _documents(await world.ok("create", "-o", "json", "-f", "-", version=version, stdin=_list(alone)))
    for arguments, mine, theirs in zip(creations, there, alone, strict=True):
        assert _missing(mine, theirs) == [], arguments


def _comparable(found: Json) -> Json:
    """An object without what is empty, what each write changes, and the old name that the server also writes."""
    filled: Json = _filled(found)
    for changing in ("resourceVersion", "generation", "managedFields"):
        filled["metadata"].pop(changing, None)
    # The server counts a DaemonSet's templates there.
    filled["metadata"].get("annotations", {}).pop("deprecated.daemonset.template.generation", None)
    spec = filled.get("spec", {})
    while "jobTemplate" in spec or "template" in spec:
        spec = (spec.get("jobTemplate") or spec["template"]).get("spec", {})
    spec.pop("serviceAccount", None)
    filled.pop("status", None)
    return filled


def _filled(value: Any) -> Any:
    """A value without what is empty: kubectl's own types write some of it out."""
    if isinstance(value, dict):
        filled = {key: _filled(item) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item not in ({}, [], None, "")}
    return [_filled(item) for item in value] if isinstance(value, list) else value


def _by_name(objects: list[Json]) -> dict[tuple[str, str], Json]:
    return {(found["kind"], found["metadata"]["name"]): _comparable(found) for found in objects}


async def _assert_set_alike(world: ApiWorld, version: str, *, objects: list[Json], settings: list[list[str]]) -> None:
    """Each setting does to all of the objects on the server what it does to them on the client; one after the other."""
    manifest = world.folder / "now.json"
    manifest.write_text(_list(objects))
    await world.ok("create", "-f", str(manifest), version=version)
    before = _documents(await world.ok("get", "-f", str(manifest), "-o", "json", version=version))
    for arguments in settings:
        manifest.write_text(_list(before))
        verb, *rest = arguments
        of = ("set", verb, "-f", str(manifest))
        local = _documents(await world.ok(*of, "--local", "-o", "json", *rest, version=version))
        await world.ok(*of, *rest, version=version)
        there = _documents(await world.ok("get", "-f", str(manifest), "-o", "json", version=version))
        # It does not print what it leaves as it is.
        assert _by_name(there) == {**_by_name(before), **_by_name(local)}, arguments
        before = there


def _drawn(random: Random, draw: Callable[[Random], list[str]], count: int) -> list[list[str]]:
    return [draw(random) for _ in range(count)]


@pytest.mark.parametrize("version", VERSIONS)
async def test_workloads_are_set_on_the_server_as_on_the_client(world: ApiWorld, version: str) -> None:
    random = Random(f"workloads {version}")
    objects = drawn_workloads(random, each=2)
    await _assert_set_alike(world, version, objects=objects, settings=_drawn(random, drawn_workload_setting, 8))


@pytest.mark.parametrize("version", VERSIONS)
async def test_pods_services_and_bindings_are_set_on_the_server_as_on_the_client(world: ApiWorld, version: str) -> None:
    random = Random(f"others {version}")
    pods, services = drawn_pods(random, count=4), drawn_services(random, count=4)
    await _assert_set_alike(world, version, objects=pods, settings=_drawn(random, drawn_image, 2))
    await _assert_set_alike(world, version, objects=services, settings=_drawn(random, drawn_selector, 2))
    bindings = drawn_bindings(random, count=4)
    await _assert_set_alike(world, version, objects=bindings, settings=_drawn(random, drawn_subject, 2))
