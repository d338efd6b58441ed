"""Aggregated ClusterRoles over the real API."""

from typing import Any

from lightkube.resources.rbac_authorization_v1 import ClusterRole

from tests.integration.controllers.controllers_world import World, until


def role(name: str, verb: str, **labels: str) -> dict[str, Any]:
    rules = [{"verbs": [verb], "apiGroups": [""], "resources": ["pods"]}]
    return {**_role(name, labels), "rules": rules}


def _role(name: str, labels: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata}


async def test_a_role_follows_the_roles_that_it_gathers(world: World) -> None:
    async def verbs(name: str = "all") -> list[str]:
        found = await world.client.get(ClusterRole, name)
        return [verb for rule in found.rules or () for verb in rule.verbs]

    async def has(*wanted: str, name: str = "all") -> None:
        async def there() -> bool:
            return await verbs(name) == list(wanted)

        await until(there, what=f"{name} to have {wanted}")

    selector = {"clusterRoleSelectors": [{"matchLabels": {"to": "all"}}]}
    await world.apply(ClusterRole, {**_role("all", {"to": "more"}), "aggregationRule": selector, "rules": []})
    more = {"clusterRoleSelectors": [{"matchLabels": {"to": "more"}}]}
    await world.apply(ClusterRole, {**_role("more", {}), "aggregationRule": more, "rules": []})
    await world.apply(ClusterRole, role("b", "get", to="all"))
    await has("get")
    await world.apply(ClusterRole, role("a", "list", to="all"))
    await has("list", "get")
    await has("list", "get", name="more")
    await world.client.patch(ClusterRole, "all", "", {"rules": []})
    await has("list", "get")
    await world.client.delete(ClusterRole, "b", "")
    await has("list", name="more")
    await world.client.patch(ClusterRole, "a", "", {"metadata": {"labels": {"to": "none"}}})
    await has()
    await has(name="more")
