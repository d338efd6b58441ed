"""What every kubectl from 1.27 to 1.33 makes of the schemas: explain, three-way apply, strict validation."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from master.api.kinds.registry import KINDS
from tests.integration.api_world import ApiWorld, api_world

VERSIONS = ("1.27", "1.28", "1.29", "1.30", "1.31", "1.32", "1.33")
Json = dict[str, Any]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


def manifest(*containers: Json, **spec: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": list(containers), **spec},
                },
            },
        }
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_explain_shows_the_fields_of_a_pod(world: ApiWorld, version: str) -> None:
    shown = await world.ok("explain", "pod.spec.containers", "--recursive", version=version)
    assert "livenessProbe" in shown
    assert "terminationGracePeriodSeconds" in shown
    one = await world.ok("explain", "pods.spec.containers.livenessProbe.httpGet.host", version=version)
    assert "Host name to connect to" in one


@pytest.mark.parametrize("version", ["1.27", "1.33"])
async def test_explain_knows_every_kind(world: ApiWorld, version: str) -> None:
    for kind in KINDS:
        shown = await world.ok("explain", kind.plural, f"--api-version={kind.api_version}", version=version)
        assert kind.kind in shown.splitlines()[0] + shown.splitlines()[1]


@pytest.mark.parametrize("version", VERSIONS)
async def test_apply_merges_three_ways(world: ApiWorld, version: str) -> None:
    """What another writer added stays, what the manifest dropped goes, by the merge keys of the schema."""

    async def apply(text: str) -> None:
        await world.ok("apply", "--validate=strict", "-f", "-", version=version, stdin=text)

    app = {"name": "app", "image": "a:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    await apply(manifest(app, {"name": "side", "image": "s:1"}, volumes=[{"name": "v", "emptyDir": {}}]))
    await world.ok("set", "env", "deploy/web", "-c", "app", "OTHER=3", version=version)
    await world.ok("scale", "deploy/web", "--replicas=4", version=version)
    app = {"name": "app", "image": "a:2", "env": [{"name": "B", "value": "5"}]}
    await apply(manifest(app, volumes=[{"name": "v", "hostPath": {"path": "/x"}}]))

    spec = json.loads(await world.ok("get", "deploy/web", "-o", "json", version=version))["spec"]
    assert spec["replicas"] == 4
    (container,) = spec["template"]["spec"]["containers"]
    assert (container["name"], container["image"]) == ("app", "a:2")
    assert {variable["name"]: variable["value"] for variable in container["env"]} == {"B": "5", "OTHER": "3"}
    assert spec["template"]["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/x", "type": ""}}]


@pytest.mark.parametrize("version", VERSIONS)
async def test_strict_validation_names_unknown_fields(world: ApiWorld, version: str) -> None:
    text = manifest({"name": "app", "image": "a:1", "imagee": "b"}, hostNetworkk=True)
    refused = await world.kubectl("apply", "--validate=strict", "-f", "-", version=version, stdin=text)
    assert refused.code == 1
    assert 'unknown field "spec.template.spec.containers[0].imagee"' in refused.err
    assert 'unknown field "spec.template.spec.hostNetworkk"' in refused.err
    warned = await world.kubectl("apply", "--validate=warn", "-f", "-", version=version, stdin=text)
    assert (warned.code, warned.out) == (0, "deployment.apps/web created\n")
    assert 'Warning: unknown field "spec.template.spec.containers[0].imagee"' in warned.err
