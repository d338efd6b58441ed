"""`POST …/bindings`, the old way to give a pod its node."""

from pathlib import Path

from tests.integration.api_http import PODS, get, pod, post
from tests.integration.api_world import api_world

BINDINGS = "/api/v1/namespaces/default/bindings"


async def test_a_binding_gives_the_pod_that_it_names_its_node(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        (found,) = [r for r in (await get(http, "/api/v1"))["resources"] if r["name"] == "bindings"]
        assert (found["kind"], found["namespaced"], found["verbs"]) == ("Binding", True, ["create"])
        await post(http, PODS, pod("a"))
        body = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}}
        await post(http, f"{BINDINGS}?dryRun=All", body)
        assert "nodeName" not in (await get(http, f"{PODS}/a"))["spec"]
        assert (await post(http, BINDINGS, body))["status"] == "Success"
        assert (await get(http, f"{PODS}/a"))["spec"]["nodeName"] == "n1"
        assert (await post(http, BINDINGS, body, 409))["reason"] == "Conflict"
        await post(http, BINDINGS, {**body, "metadata": {"name": "gone"}}, 404)
        await post(http, BINDINGS, {**body, "metadata": {}}, 400)
        await get(http, BINDINGS, 405)
    async with api_world(tmp_path) as world, world.http(world.user("jane")) as http:
        await post(http, BINDINGS, body, 403)
