from lightkube.models.core_v1 import Container, PodSpec, PodStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Pod, Secret

from master.fleet.outgoing import TOMBSTONE_SECONDS, Outgoing
from master.fleet.view import Wanted
from proto.messages import InventoryEntry


def _topic(resource: str, namespace: str, name: str) -> str:
    return f"{resource}/{namespace}/{name}"


def _pod(uid: str = "u1", version: int = 5, image: str = "a:1", phase: str = "") -> Wanted:
    pod = Pod(
        metadata=ObjectMeta(name="p", namespace="ns", uid=uid, resourceVersion=str(version)),
        spec=PodSpec(containers=[Container(name="c", image=image)]),
        status=PodStatus(phase=phase or None),
    )
    return Wanted("pods", "ns", "p", uid, version, lambda: pod)


def _config_map(version: int = 7) -> Wanted:
    found = ConfigMap(metadata=ObjectMeta(name="cm", namespace="ns", uid="c1", resourceVersion=str(version)), data={"a": "b"})
    return Wanted("configmaps", "ns", "cm", "c1", version, lambda: found)


def _secret(version: int = 9) -> Wanted:
    found = Secret(metadata=ObjectMeta(name="s", namespace="ns", uid="s1", resourceVersion=str(version)), data={"a": "Yg=="})
    return Wanted("secrets", "ns", "s", "s1", version, lambda: found)


def test_an_order_is_sent_once() -> None:
    outgoing = Outgoing(_topic)
    (order,) = outgoing.compare([_pod()], 0)
    assert (order.topic, order.sent.revision) == ("pods/ns/u1", 5)
    assert outgoing.compare([_pod()], 1) == []


def test_a_change_that_the_node_does_not_act_on_is_not_sent() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_pod(version=5)], 0)
    assert outgoing.compare([_pod(version=6, phase="Running")], 1) == []
    (order,) = outgoing.compare([_pod(version=7, image="a:2")], 2)
    assert order.sent.revision == 7


def test_a_new_session_gets_everything_again_with_the_same_revisions() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_pod(version=5)], 0)
    first = outgoing.index(again=False)
    outgoing.session_lost()
    (order,) = outgoing.compare([_pod(version=6, phase="Running")], 1)
    assert (order.sent.revision, order.object is not None) == (5, True)
    assert outgoing.index(again=False) == first


def test_what_is_no_longer_wanted_gets_a_tombstone_and_is_cleared_later() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_pod()], 0)
    (tombstone,) = outgoing.compare([], 1)
    assert (tombstone.object, tombstone.clear, tombstone.sent.removed, tombstone.sent.revision) == (None, False, True, 6)
    assert outgoing.compare([], 2) == []
    (clearing,) = outgoing.compare([], 2 + TOMBSTONE_SECONDS)
    assert clearing.clear
    assert not outgoing.sent


def test_a_confirmed_tombstone_is_cleared_at_once() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_pod()], 0)
    outgoing.compare([], 1)
    outgoing.heed_inventory([], epoch=1, now=2)
    (clearing,) = outgoing.compare([], 2)
    assert clearing.clear


def test_what_is_wanted_again_is_newer_than_its_tombstone() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_config_map(7)], 0)
    (tombstone,) = outgoing.compare([], 1)
    assert tombstone.sent.revision == 8
    (order,) = outgoing.compare([_config_map(7)], 2)
    assert order.sent.revision == 9
    assert not order.sent.removed


def test_every_index_is_newer_than_the_one_before_and_than_what_it_lists() -> None:
    outgoing = Outgoing(_topic)
    revisions: list[int] = []
    for wanted in ([], [_pod("u1", 5)], [_pod("u1", 5), _config_map(7)], [_config_map(7)], []):
        outgoing.compare(wanted, 0)
        index = outgoing.index(again=False)
        assert index is not None
        message, revision = index
        assert all(entry.revision <= revision for entry in message.entries)
        assert all(sent.revision <= revision for sent in outgoing.sent.values())
        assert {entry.uid for entry in message.entries} == {one.uid for one in wanted}
        revisions.append(revision)
    assert revisions == sorted(set(revisions))


def test_an_unchanged_index_is_sent_when_asked_for_only() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_pod()], 0)
    first = outgoing.index(again=False)
    assert outgoing.index(again=False) is None
    assert outgoing.index(again=True) == first


def test_secrets_wait_for_a_key_and_follow_it() -> None:
    outgoing = Outgoing(_topic)
    assert outgoing.compare([_secret()], 0) == []
    outgoing.use_key(b"k" * 32)
    (first,) = outgoing.compare([_secret()], 1)
    assert first.sent.revision == 9
    assert outgoing.compare([_secret()], 2) == []
    outgoing.use_key(b"l" * 32)
    (second,) = outgoing.compare([_secret()], 3)
    assert second.sent.revision == 10


def test_a_hello_brings_what_the_node_lacks_but_not_what_is_on_its_way() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_pod(), _config_map()], 0)
    held = InventoryEntry(resource="pods", namespace="ns", name="p", uid="u1", epoch=3, revision=5)
    outgoing.heed_inventory([held], epoch=3, now=0.5)
    assert outgoing.compare([_pod(), _config_map()], 0.5) == []
    outgoing.heed_inventory([held], epoch=3, now=5)
    (order,) = outgoing.compare([_pod(), _config_map()], 5)
    assert order.topic == "configmaps/ns/cm"


def test_a_hello_with_orders_of_an_older_leader_brings_them_anew() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_pod()], 0)
    held = InventoryEntry(resource="pods", namespace="ns", name="p", uid="u1", epoch=2, revision=5)
    outgoing.heed_inventory([held], epoch=3, now=5)
    assert len(outgoing.compare([_pod()], 5)) == 1


def test_a_hello_names_what_nobody_ordered() -> None:
    outgoing = Outgoing(_topic)
    stranger = InventoryEntry(resource="pods", namespace="ns", name="old", uid="u0", epoch=1, revision=1)
    assert outgoing.strangers([stranger]) == []
    outgoing.compare([_pod()], 5)
    outgoing.index(again=False)
    known = InventoryEntry(resource="pods", namespace="ns", name="p", uid="u1", epoch=1, revision=1)
    assert outgoing.strangers([stranger, known]) == ["pods/ns/u0"]


def test_what_is_too_large_is_not_listed_and_not_tried_for_ever() -> None:
    outgoing = Outgoing(_topic)
    (order,) = outgoing.compare([_config_map()], 0)
    order.sent.too_large = True
    index = outgoing.index(again=False)
    assert index is not None
    assert index[0].entries == []
    outgoing.heed_inventory([], epoch=1, now=100)
    assert outgoing.compare([_config_map()], 100) == []


def test_what_grows_too_large_stays_listed_as_it_was() -> None:
    outgoing = Outgoing(_topic)
    outgoing.compare([_pod(version=5)], 0)
    for version in (7, 8):
        (order,) = outgoing.compare([_pod(version=version, image=f"a:{version}")], version)
        order.sent.too_large = True
        index = outgoing.index(again=True)
        assert index is not None
        assert [entry.revision for entry in index[0].entries] == [5]
    outgoing.compare([_pod(version=9)], 9)
    index = outgoing.index(again=True)
    assert index is not None
    assert [entry.revision for entry in index[0].entries] == [9]
