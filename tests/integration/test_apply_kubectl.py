"""What people do with kubectl's apply and its kin: server-side, prune, diff, replace, edit; with 1.27, 1.30 and 1.33."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
VERSIONS = ("1.27", "1.30", "1.33")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


def web(image: str = "i:1", replicas: int | None = 2) -> str:
    spec: Json = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": image, "ports": [{"containerPort": 80}]}]},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})


def config_map(name: str, **labels: str) -> str:
    metadata = {"name": name, "labels": {"set": "one", **labels}}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}})


async def deployment(world: ApiWorld) -> Json:
    found: Json = json.loads(await world.ok("get", "deploy/web", "-o", "json", "--show-managed-fields"))
    return found


async def managers(world: ApiWorld) -> set[tuple[str, str, str]]:
    entries = (await deployment(world))["metadata"]["managedFields"]
    return {(entry["manager"], entry["operation"], entry.get("subresource", "")) for entry in entries}


def editor(world: ApiWorld, before: str, after: str) -> dict[str, str]:
    """An editor that replaces a text."""
    script = world.folder / f"edit-{after.replace(':', '-')}.sh"
    script.write_text(f'#!/bin/sh\nsed -i "s/{before}/{after}/" "$1"\n')
    script.chmod(0o755)
    return {"EDITOR": str(script)}


@pytest.mark.parametrize("version", VERSIONS)
async def test_conflicts_are_shown_and_forced(world: ApiWorld, version: str) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert await world.ok(*apply, version=version, stdin=web()) == "deployment.apps/web serverside-applied\n"
    refused = await world.kubectl(*apply, "--field-manager=other", version=version, stdin=web("i:2", 5))
    assert refused.code == 1
    assert 'Apply failed with 2 conflicts: conflicts with "kubectl":\n- .spec.replicas\n' in refused.err
    assert '- .spec.template.spec.containers[name="c"].image' in refused.err
    await world.ok(*apply, "--field-manager=other", "--force-conflicts", version=version, stdin=web("i:2", 5))
    spec = (await deployment(world))["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (5, "i:2")
    hidden = await world.ok("get", "deploy/web", "-o", "json", version=version)
    assert "managedFields" not in hidden


@pytest.mark.parametrize("version", VERSIONS)
async def test_client_side_apply_may_become_server_side_and_back(world: ApiWorld, version: str) -> None:
    await world.ok("apply", "-f", "-", version=version, stdin=web("i:1"))
    await world.ok("apply", "--server-side", "-f", "-", version=version, stdin=web("i:2"))
    assert ("kubectl-client-side-apply", "Update", "") not in await managers(world)
    # What the manifest drops goes, though it was applied on the client's side.
    await world.ok("apply", "--server-side", "-f", "-", version=version, stdin=web("i:2", replicas=None))
    assert (await deployment(world))["spec"]["replicas"] == 1
    await world.ok("apply", "-f", "-", version=version, stdin=web("i:3", 4))
    spec = (await deployment(world))["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (4, "i:3")


@pytest.mark.parametrize("version", VERSIONS)
async def test_diff_tells_what_an_apply_would_change(world: ApiWorld, version: str) -> None:
    await world.ok("apply", "--server-side", "-f", "-", version=version, stdin=web("i:1"))
    for options in ((), ("--server-side",)):
        same = await world.kubectl("diff", *options, "-f", "-", version=version, stdin=web("i:1"))
        assert (same.code, same.out) == (0, "")
        other = await world.kubectl("diff", *options, "-f", "-", version=version, stdin=web("i:2"))
        assert other.code == 1
        assert "-      - image: i:1\n+      - image: i:2\n" in other.out
    assert (await deployment(world))["spec"]["template"]["spec"]["containers"][0]["image"] == "i:1"


@pytest.mark.parametrize("version", VERSIONS)
async def test_prune_deletes_what_is_not_applied_any_more(world: ApiWorld, version: str) -> None:
    folder = world.folder / "set"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.json").write_text(config_map(name))
    await world.ok("create", "configmap", "other", version=version)
    prune = ("apply", "--prune", "-l", "set=one", "--prune-allowlist=core/v1/ConfigMap", "-f", str(folder))
    await world.ok(*prune, version=version)
    (folder / "b.json").unlink()
    assert "configmap/b pruned" in await world.ok(*prune, version=version)
    if version != "1.27":
        env = {"KUBECTL_APPLYSET": "true"}
        for side in ((), ("--server-side",)):
            (folder / "c.json").write_text(config_map("c"))
            own = ("apply", *side, "--prune", "--applyset=configmaps/set", "-n", "default", "-f", str(folder))
            await world.ok(*own, version=version, env=env)
            (folder / "c.json").unlink()
            assert "configmap/c pruned" in await world.ok(*own, version=version, env=env)
    left = await world.ok("get", "configmaps", "-o", "name", version=version)
    assert {"configmap/a", "configmap/other"} <= set(left.split())


@pytest.mark.parametrize("version", VERSIONS)
async def test_replace_and_edit(world: ApiWorld, version: str) -> None:
    await world.ok("create", "-f", "-", "--save-config", version=version, stdin=web("i:1"))
    uid = (await deployment(world))["metadata"]["uid"]
    await world.ok("replace", "-f", "-", version=version, stdin=web("i:2"))
    edited = await world.ok("edit", "deploy/web", version=version, env=editor(world, "i:2", "i:3"))
    assert edited == "deployment.apps/web edited\n"
    assert (await deployment(world))["spec"]["template"]["spec"]["containers"][0]["image"] == "i:3"
    assert ("kubectl-edit", "Update", "") in await managers(world)
    manifest = world.folder / "web.json"
    manifest.write_text(web("i:4"))
    await world.ok("replace", "--force", "-f", str(manifest), version=version)
    replaced = await deployment(world)
    assert replaced["metadata"]["uid"] != uid
    # What was applied last is kept in an annotation, and can be seen, set and edited.
    await world.ok("apply", "set-last-applied", "--create-annotation", "-f", str(manifest), version=version)
    assert "image: i:4" in await world.ok("apply", "view-last-applied", "deploy/web", version=version)
    await world.ok("apply", "edit-last-applied", "deploy/web", version=version, env=editor(world, "i:4", "i:5"))
    assert "image: i:5" in await world.ok("apply", "view-last-applied", "deploy/web", version=version)


@pytest.mark.parametrize("version", VERSIONS)
async def test_patches_of_every_type_and_subresource(world: ApiWorld, version: str) -> None:
    await world.ok("apply", "--server-side", "-f", "-", version=version, stdin=web())

    async def patch(kind: str, text: str, *options: str) -> None:
        await world.ok("patch", "deploy/web", f"--type={kind}", "-p", text, *options, version=version)

    await patch("merge", '{"spec":{"replicas":3}}', "--subresource=scale", "--field-manager=s")
    assert (await deployment(world))["spec"]["replicas"] == 3
    await patch("merge", '{"status":{"replicas":4}}', "--subresource=status", "--field-manager=t")
    await patch("json", '[{"op":"replace","path":"/spec/replicas","value":5}]', "--field-manager=j")
    assert (await deployment(world))["spec"]["replicas"] == 5
    container = '{"spec":{"template":{"spec":{"containers":[{"name":"c","workingDir":"/x"}]}}}}'
    await patch("strategic", container, "--field-manager=m")
    await world.ok("label", "deploy/web", "l=1", "--field-manager=l", version=version)
    taken = await world.kubectl("label", "deploy/web", "l=2", version=version)
    assert taken.code == 1
    await world.ok("label", "deploy/web", "l=2", "--overwrite", "--field-manager=l2", version=version)
    await world.ok("annotate", "deploy/web", "note=x", "--field-manager=n", version=version)
    found = await managers(world)
    assert {
        ("t", "Update", "status"),
        ("j", "Update", ""),
        ("m", "Update", ""),
        ("l2", "Update", ""),
        ("n", "Update", ""),
    } <= found
    assert ("s", "Update", "scale") not in found
