"""The garbage collector's graph, and the memory of own writes."""

from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import ConfigMap

from master.controllers.garbage.graph import FOREGROUND, Graph
from master.controllers.objects.metadata import Key
from master.controllers.objects.written import PATIENCE, Written


def config_map(uid: str, *owners: str, blocking: bool = False, revision: int = 1) -> ConfigMap:
    references = [
        OwnerReference(apiVersion="v1", kind="ConfigMap", name=owner, uid=owner, blockOwnerDeletion=blocking)
        for owner in owners
    ]
    return ConfigMap(
        metadata=ObjectMeta(name=uid, namespace="default", uid=uid, ownerReferences=references, resourceVersion=str(revision))
    )


def dependents(graph: Graph, uid: str) -> set[str]:
    return {each.uid for each in graph.dependents(uid)}


def test_dependents_are_known_before_and_after_their_owner_is() -> None:
    graph = Graph()
    graph.put(ConfigMap, config_map("child", "owner"))
    assert dependents(graph, "owner") == {"child"}
    graph.put(ConfigMap, config_map("owner"))
    graph.remove("owner")
    assert dependents(graph, "owner") == {"child"}
    graph.remove("child")
    assert dependents(graph, "owner") == set()


def test_a_dropped_reference_is_forgotten() -> None:
    graph = Graph()
    graph.put(ConfigMap, config_map("child", "one", "two"))
    before, after = graph.put(ConfigMap, config_map("child", "two"))
    assert before is not None
    assert (set(before.owners), set(after.owners)) == ({"one", "two"}, {"two"})
    assert dependents(graph, "one") == set()


def test_only_references_that_block_hold_an_owner_up() -> None:
    graph = Graph()
    graph.put(ConfigMap, config_map("loose", "owner"))
    graph.put(ConfigMap, config_map("tight", "owner", blocking=True))
    assert [each.uid for each in graph.blocking("owner")] == ["tight"]


def test_a_finalizer_means_nothing_before_the_deletion_began() -> None:
    graph = Graph()
    owner = config_map("owner")
    assert owner.metadata
    owner.metadata.finalizers = [FOREGROUND]
    assert not graph.put(ConfigMap, owner)[1].deletes_dependents


def test_a_cache_is_believed_once_it_shows_the_write_or_after_a_while() -> None:
    now = 0.0
    cache: dict[Key, ConfigMap] = {}
    written = Written(lambda: now)
    owner = ("default", "web")
    written.wrote(owner, config_map("a", revision=5))
    assert not written.shown(owner, cache.get)
    cache["default", "a"] = config_map("a", revision=4)
    assert not written.shown(owner, cache.get)
    cache["default", "a"] = config_map("a", revision=6)
    assert written.shown(owner, cache.get)
    written.wrote(owner, config_map("b", revision=7))
    now = PATIENCE
    assert written.shown(owner, cache.get)


def test_a_write_whose_object_vanished_holds_nothing_up() -> None:
    written = Written(lambda: 0.0)
    owner = ("default", "web")
    written.wrote(owner, config_map("a", revision=5))
    written.vanished(("default", "a"))
    assert written.shown(owner, lambda key: None)
