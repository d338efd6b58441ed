"""Namespaces and the garbage collector over the real API."""

import json
from typing import Any, Literal

import pytest
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod, ServiceAccount

from master.api.custom_resources.controller import DEFINITIONS
from master.client.errors import StatusError
from master.client.protocol import DeleteOptions, ResourceRef
from tests.integration.controllers.controllers_world import CA, World, until
from tests.integration.controllers.test_deployment_rollouts import complete, deployment


async def gone(world: World, kind: type[Any], name: str, namespace: str = "") -> bool:
    try:
        await world.client.get(kind, name, namespace)
    except StatusError as error:
        if error.code != 404:
            raise
        return True
    return False


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default", **metadata}}


async def test_each_namespace_gets_its_service_account_and_the_ca(world: World) -> None:
    async def there() -> bool:
        return not await gone(world, ServiceAccount, "default", "default") and not await gone(
            world, ConfigMap, "kube-root-ca.crt", "default"
        )

    await until(there, what="service account and CA")
    assert (await world.client.get(ConfigMap, "kube-root-ca.crt", "default")).data == {"ca.crt": CA}
    await world.client.delete(ServiceAccount, "default", "default")
    await world.client.patch(ConfigMap, "kube-root-ca.crt", "default", {"data": {"ca.crt": "forged"}})

    async def restored() -> bool:
        found = await world.client.get(ConfigMap, "kube-root-ca.crt", "default")
        return found.data == {"ca.crt": CA} and not await gone(world, ServiceAccount, "default", "default")

    await until(restored, what="both restored")


async def test_a_deleted_namespace_takes_its_content_with_it(world: World) -> None:
    await world.apply(Namespace, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    body = deployment()
    body["metadata"]["namespace"] = "team"
    await world.apply(Deployment, body)

    async def running() -> bool:
        return len(await world.client.list(Pod, "team")) == 4

    await until(running, what="four pods")
    await world.client.delete(Namespace, "team")

    async def emptied() -> bool:
        return await gone(world, Namespace, "team")

    await until(emptied, what="namespace gone")
    assert await world.client.list(Pod, "team") == []
    assert await world.client.list(ConfigMap, "team") == []


async def test_a_namespace_says_what_holds_it_up(world: World) -> None:
    await world.apply(Namespace, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    body = config_map("held", finalizers=["example.com/hold"])
    body["metadata"]["namespace"] = "team"
    await world.apply(ConfigMap, body)
    await world.client.delete(Namespace, "team")

    async def conditions() -> dict[str, tuple[str, str | None]]:
        found = await world.client.get(Namespace, "team")
        return {c.type: (c.status, c.message) for c in (found.status.conditions if found.status else None) or ()}

    async def told() -> bool:
        return (await conditions()).get("NamespaceFinalizersRemaining") == (
            "True",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        )

    await until(told, what="the condition")
    assert (await conditions())["NamespaceContentRemaining"] == (
        "True",
        "Some resources are remaining: configmaps. has 1 resource instances",
    )
    await world.client.patch(ConfigMap, "held", "team", {"metadata": {"finalizers": None}})

    async def emptied() -> bool:
        return await gone(world, Namespace, "team")

    await until(emptied, what="namespace gone")


async def delete_web(world: World, policy: Literal["Orphan", "Background", "Foreground"]) -> None:
    await world.apply(Deployment, deployment(replicas=2))
    await until(lambda: complete(world), what="complete")
    await world.client.delete(Deployment, "web", "default", DeleteOptions(propagation_policy=policy))


async def test_background_deletion_takes_dependents_of_dependents(world: World) -> None:
    await delete_web(world, "Background")
    assert await gone(world, Deployment, "web", "default")

    async def all_gone() -> bool:
        return not await world.client.list(ReplicaSet, "default") and not await world.client.list(Pod, "default")

    await until(all_gone, what="ReplicaSet and pods gone")


async def test_foreground_deletion_keeps_the_owner_until_its_pods_are_gone(world: World) -> None:
    order: list[str] = []
    world.informers.of(Pod).add_handler(lambda old, new: None if new else order.append("pod"))
    world.informers.of(ReplicaSet).add_handler(lambda old, new: None if new else order.append("replicaset"))
    world.informers.of(Deployment).add_handler(lambda old, new: None if new else order.append("deployment"))
    await delete_web(world, "Foreground")

    async def all_gone() -> bool:
        return await gone(world, Deployment, "web", "default") and len(order) == 4

    await until(all_gone, what="all gone")
    assert order == ["pod", "pod", "replicaset", "deployment"]


async def test_orphaning_deletion_leaves_the_dependents_without_owner(world: World) -> None:
    await delete_web(world, "Orphan")

    async def deleted() -> bool:
        return await gone(world, Deployment, "web", "default")

    await until(deleted, what="deployment gone")
    [replica_set] = await world.client.list(ReplicaSet, "default")
    assert replica_set.metadata
    assert not replica_set.metadata.ownerReferences
    assert len(await world.client.list(Pod, "default")) == 2


async def test_an_owner_of_the_same_name_with_another_uid_does_not_count(world: World) -> None:
    await world.apply(ConfigMap, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "11111111-2222-3333-4444-555555555555"}
    await world.apply(ConfigMap, config_map("stray", ownerReferences=[reference]))

    async def collected() -> bool:
        return await gone(world, ConfigMap, "stray", "default")

    await until(collected, what="stray collected")
    assert not await gone(world, ConfigMap, "owner", "default")


async def test_an_object_with_one_owner_left_only_loses_the_reference_to_the_other(world: World) -> None:
    references = []
    for name in ("one", "two"):
        await world.apply(ConfigMap, config_map(name))
        found = await world.client.get(ConfigMap, name, "default")
        assert found.metadata
        references.append({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": found.metadata.uid})
    await world.apply(ConfigMap, config_map("child", ownerReferences=references))
    await world.client.delete(ConfigMap, "one", "default")

    async def one_left() -> bool:
        found = await world.client.get(ConfigMap, "child", "default")
        return [o.name for o in (found.metadata.ownerReferences if found.metadata else None) or ()] == ["two"]

    await until(one_left, what="one reference left")
    await world.client.delete(ConfigMap, "two", "default")

    async def collected() -> bool:
        return await gone(world, ConfigMap, "child", "default")

    await until(collected, what="child collected")


WIDGETS = ResourceRef("example.com", "v1", "widgets")


async def declare_widgets(world: World) -> None:
    """A definition in two versions, of which v2 is stored."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    body = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {"name": "v1", "served": True, "storage": False, "schema": schema},
                {"name": "v2", "served": True, "storage": True, "schema": schema},
            ],
        },
    }
    await world.registry.create(DEFINITIONS, "", body)

    async def served() -> bool:
        return world.registry.kinds.get("example.com", "v1", "widgets") is not None

    await until(served, what="widgets are served")


async def widget(world: World, name: str, namespace: str = "default", **metadata: Any) -> str:
    """Create a widget; its uid."""
    body = {"metadata": {"name": name, **metadata}}
    created = json.loads(await world.registry.create(WIDGETS, namespace, body))
    return str(created["metadata"]["uid"])


async def has_widget(world: World, name: str, namespace: str = "default") -> bool:
    return any(json.loads(raw)["metadata"]["name"] == name for raw in (await world.registry.list(WIDGETS, namespace)).items)


async def test_owners_work_between_custom_and_other_kinds_in_any_version(world: World) -> None:
    await declare_widgets(world)
    owner = await widget(world, "owner")
    for version in ("v1", "v2"):
        reference = {"apiVersion": f"example.com/{version}", "kind": "Widget", "name": "owner", "uid": owner}
        await world.apply(ConfigMap, config_map(f"of-{version}", ownerReferences=[reference]))
    await world.apply(ConfigMap, config_map("kept"))
    kept = await world.client.get(ConfigMap, "kept", "default")
    assert kept.metadata is not None
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kept", "uid": str(kept.metadata.uid)}
    await widget(world, "owned", ownerReferences=[reference])
    absent = {"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "1"}
    await widget(world, "lost", ownerReferences=[absent])

    async def lost() -> bool:
        return not await has_widget(world, "lost")

    await until(lost, what="a widget without an owner is collected")
    await world.registry.delete(WIDGETS, "default", "owner", DeleteOptions())

    async def collected() -> bool:
        return await gone(world, ConfigMap, "of-v1", "default") and await gone(world, ConfigMap, "of-v2", "default")

    await until(collected, what="config maps of the widget are collected")
    assert await has_widget(world, "owned")
    await world.client.delete(ConfigMap, "kept", "default")

    async def owned_gone() -> bool:
        return not await has_widget(world, "owned")

    await until(owned_gone, what="the widget of the config map is collected")


async def test_a_deleted_namespace_takes_custom_resources_with_it_when_their_finalizers_allow(world: World) -> None:
    await declare_widgets(world)
    await world.apply(Namespace, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    await widget(world, "plain", "team")
    await widget(world, "held", "team", finalizers=["example.com/hold"])
    await world.client.delete(Namespace, "team")

    async def held() -> bool:
        namespace = await world.client.get(Namespace, "team")
        conditions = (namespace.status.conditions if namespace.status else None) or ()
        return any("widgets.example.com has 1 resource instances" in (each.message or "") for each in conditions)

    await until(held, what="the namespace says what holds it up")
    await world.registry.patch(WIDGETS, "team", "held", "application/merge-patch+json", {"metadata": {"finalizers": None}})

    async def emptied() -> bool:
        return await gone(world, Namespace, "team")

    await until(emptied, what="the namespace is gone")


async def test_a_deleted_definition_waits_for_the_finalizers_of_its_objects(world: World) -> None:
    await declare_widgets(world)
    await widget(world, "held", finalizers=["example.com/hold"])
    await widget(world, "plain")
    await world.registry.delete(DEFINITIONS, "", "widgets.example.com", DeleteOptions())

    async def only_held() -> bool:
        return not await has_widget(world, "plain")

    await until(only_held, what="the plain widget is deleted")
    assert await has_widget(world, "held")
    with pytest.raises(StatusError, match="not found"):
        await world.registry.get(WIDGETS, "default", "plain")
    await world.registry.patch(WIDGETS, "default", "held", "application/merge-patch+json", {"metadata": {"finalizers": None}})

    async def withdrawn() -> bool:
        return world.registry.kinds.get("example.com", "v1", "widgets") is None

    await until(withdrawn, what="the definition is gone")
    # Declared anew, it works as before: informers and caches have let the old kind go.
    await declare_widgets(world)
    absent = {"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "1"}
    await widget(world, "lost", ownerReferences=[absent])

    async def lost() -> bool:
        return not await has_widget(world, "lost")

    await until(lost, what="a widget without an owner is collected")
