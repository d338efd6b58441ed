"""The receiver: only signed, newer orders change anything; absence never does; what is desired is on disk."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.checkpoint.record import file_name
from agent.desired import Change
from proto import sealing
from proto.delivery import Delivery
from proto.messages import Heartbeat, NodeOrder, ObjectOrder
from tests.unit.agent.link.orders import (
    NODE,
    TOPICS,
    index,
    leader,
    manifest,
    node_in,
    order,
    signed,
    tombstone,
    topic_of,
)

RESOURCES = ("pods", "configmaps", "secrets", "services", "endpointslices", "nodes")


@pytest.mark.parametrize("resource", RESOURCES)
async def test_every_resource_is_taken_in_told_removed_and_restored(tmp_path: Path, resource: str) -> None:
    async with node_in(tmp_path) as node:
        changes = node.desired.subscribe("pods", "configmaps", "secrets", "services", "endpointslices", "nodes")
        await node.receiver.receive([order(resource, "a", 1, 5, seal=resource == "secrets")])
        namespace = "" if resource == "nodes" else "default"
        assert await changes.changes() == {Change(resource, namespace, "a")}  # type: ignore[arg-type]
        assert [(entry.resource, entry.uid, entry.revision) for entry in node.receiver.inventory()] == [(resource, "a", 5)]
    async with node_in(tmp_path) as node:
        assert len(node.receiver.inventory()) == 1
        await node.receiver.receive([tombstone(resource, "a", 1, 6)])
        assert node.receiver.inventory() == []
    async with node_in(tmp_path) as node:
        assert node.receiver.inventory() == []
        assert node.damaged == ()


async def test_older_and_repeated_orders_change_nothing_and_write_nothing(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 2, 5)])
        writes = node.checkpoint.writes
        await node.receiver.receive([order("pods", "a", 2, 5), order("pods", "a", 2, 4), order("pods", "a", 1, 9)])
        assert node.mark("a") == "5"
        assert node.checkpoint.writes == writes
        assert node.rejections.count("stale") == 3


async def test_the_same_orders_of_a_new_leader_write_only_the_epoch(tmp_path: Path) -> None:
    def everything(epoch: int) -> list[Delivery]:
        listed = index([("pods", "a", 5), ("secrets", "s", 5)], epoch, 6)
        return [order("pods", "a", epoch, 5), order("secrets", "s", epoch, 5, seal=True), listed]

    async with node_in(tmp_path) as node:
        await node.receiver.receive(everything(1))
        file = tmp_path / "orders" / file_name(topic_of("pods", "a"))
        before, writes = file.read_bytes(), node.checkpoint.writes
        changes = node.desired.subscribe("pods", "secrets")
        await node.receiver.receive(everything(2))
        assert node.checkpoint.writes == writes + 1
        assert file.read_bytes() == before
        assert {entry.epoch for entry in node.receiver.inventory()} == {2}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(changes.changes(), 0.01)
    async with node_in(tmp_path) as node:
        assert node.receiver.epoch == 2
        await node.receiver.receive([order("pods", "a", 1, 99)])
        assert node.mark("a") == "5"


async def test_a_cleared_topic_ends_nothing(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 1, 5)])
        await node.receiver.receive([Delivery(topic_of("pods", "a"), b"", True), Delivery(TOPICS.node_index(NODE), b"")])
        assert set(node.desired.pods) == {"a"}


async def test_an_index_ends_what_it_does_not_list_unless_newer(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", uid, 1, revision) for uid, revision in (("a", 5), ("b", 6), ("new", 20))])
        outcome = await node.receiver.receive([index([("pods", "a", 5)], 1, 10)])
        assert outcome.gone_pods == {"b"}
        assert outcome.indexed
        assert set(node.desired.pods) == {"a", "new"}
        assert node.desired.listed_pods == frozenset({"a"})
        await node.receiver.receive([order("pods", "b", 1, 6, retained=True)])
        assert "b" not in node.desired.pods
    async with node_in(tmp_path) as node:
        assert node.desired.listed_pods is None
        await node.receiver.receive([order("pods", "b", 1, 6, retained=True)])  # an old retained order after a restart
        assert set(node.desired.pods) == {"a", "new"}


async def test_an_index_of_the_node_leaves_shared_objects_alone_and_the_other_way_round(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 1, 5), order("services", "s", 1, 5)])
        await node.receiver.receive([index([], 1, 9, shared=True)])
        assert set(node.desired.pods) == {"a"}
        assert not node.desired.services
        await node.receiver.receive([order("services", "t", 1, 10), index([], 1, 11)])
        assert not node.desired.pods
        assert len(node.desired.services) == 1


async def test_an_index_of_an_old_leader_or_an_older_one_ends_nothing(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 2, 5), index([("pods", "a", 5)], 2, 8)])
        await node.receiver.receive([index([], 1, 99), index([], 2, 7)])
        assert set(node.desired.pods) == {"a"}
        assert node.rejections.count("stale") == 2


async def test_only_an_index_that_was_just_published_tells_the_listed_pods(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([index([("pods", "a", 5)], 1, 8, retained=True)])
        assert node.desired.listed_pods is None
        await node.receiver.receive([index([("pods", "a", 5)], 1, 8)])
        assert node.desired.listed_pods == frozenset({"a"})


async def test_an_order_in_doubt_is_taken_once_an_index_lists_it(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([index([], 1, 10), order("pods", "late", 1, 9)])
        assert "late" not in node.desired.pods
        await node.receiver.receive([index([("pods", "late", 9)], 1, 11)])
        assert "late" in node.desired.pods
        assert node.receiver.missing() == frozenset()


async def test_a_config_map_that_is_referred_to_again_comes_back_though_it_is_older_than_its_tombstone(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("configmaps", "c", 1, 5), tombstone("configmaps", "c", 1, 10)])
        await node.receiver.receive([order("configmaps", "c", 1, 5)])
        assert not node.desired.config_maps
        await node.receiver.receive([index([("configmaps", "c", 5)], 1, 11)])
        assert ("default", "c") in node.desired.config_maps


async def test_missing_tells_what_an_index_lists_and_did_not_come(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 1, 5), index([("pods", "a", 6), ("pods", "b", 7)], 1, 8)])
        assert node.receiver.missing() == {topic_of("pods", "a"), topic_of("pods", "b")}
        await node.receiver.receive([order("pods", "a", 1, 6), order("pods", "b", 1, 7)])
        assert node.receiver.missing() == frozenset()


async def test_leaders_speak_once_per_publish_and_retained_ones_only_when_new(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        assert (await node.receiver.receive([leader(3, retained=True)])).leader_spoke
        assert not (await node.receiver.receive([leader(3, retained=True)])).leader_spoke
        assert (await node.receiver.receive([leader(3)])).leader_spoke
        assert not (await node.receiver.receive([leader(2)])).leader_spoke


async def test_the_nodes_own_order_is_told_when_it_changes(tmp_path: Path) -> None:
    def own(revision: int, cidr: str) -> Delivery:
        message = NodeOrder(pod_cidr=cidr, cluster_cidr="", service_cidr="", cluster_dns="", cluster_domain="")
        return signed(TOPICS.node_order(NODE), message, 1, revision)

    async with node_in(tmp_path) as node:
        changes = node.desired.subscribe("node")
        await node.receiver.receive([own(1, "10.0.0.0/24")])
        assert await changes.changes() == {Change("node", "", NODE)}
        writes = node.checkpoint.writes
        await node.receiver.receive([own(2, "10.0.0.0/24")])
        assert node.checkpoint.writes == writes
    async with node_in(tmp_path) as node:
        assert node.desired.node is not None
        assert node.desired.node.pod_cidr == "10.0.0.0/24"


@pytest.mark.parametrize(
    "message",
    [
        ObjectOrder(resource="pods", namespace="default", name="a"),
        ObjectOrder(resource="pods", namespace="default", name="a", object={}, sealed=b""),
        ObjectOrder(resource="pods", namespace="other", name="a", object=manifest("pods", "a", "a")),
        ObjectOrder(resource="secrets", namespace="default", name="a", object=manifest("pods", "a", "a")),
        ObjectOrder(resource="pods", namespace="default", name="a", object=manifest("pods", "a", "b")),
        ObjectOrder(
            resource="pods", namespace="default", name="a", object={"metadata": {"uid": "a"}, "spec": {"containers": 3}}
        ),
        ObjectOrder(resource="pods", namespace="default", name="a", object={"spec": {}}),
        Heartbeat(sequence=1),
    ],
)
async def test_a_signed_order_that_makes_no_sense_is_malformed(tmp_path: Path, message: ObjectOrder) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([signed(topic_of("pods", "a"), message, 1, 5, uid="a"), order("pods", "b", 1, 5)])
        assert set(node.desired.pods) == {"b"}
        assert node.rejections.count("malformed") == 1


async def test_resources_on_foreign_topics_are_malformed(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        value = manifest("services", "a", "a")
        message = ObjectOrder(resource="services", namespace="default", name="a", object=value)
        for topic in (
            TOPICS.node_object(NODE, "services", "default", "a"),
            TOPICS.node_object("n2", "services", "default", "a"),
            TOPICS.leader,
            TOPICS.shared_object("jobs", "default", "a"),
        ):
            await node.receiver.receive([signed(topic, message, 1, 5, uid="a")])
        assert node.rejections.count("malformed") == 4
        assert node.receiver.inventory() == []


async def test_a_secret_for_another_key_is_unsealable_and_stays_sealed_on_disk(tmp_path: Path) -> None:
    async with node_in(tmp_path / "a") as node:
        await node.receiver.receive([order("secrets", "s", 1, 5, mark="canary", seal=True)])
        assert node.desired.secrets
    assert not any(b"canary" in path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file())
    async with node_in(tmp_path / "a", sealing_key=sealing.generate_key()) as node:
        assert not node.desired.secrets
        assert len(node.damaged) == 1
    async with node_in(tmp_path / "b", sealing_key=sealing.generate_key()) as node:
        await node.receiver.receive([order("secrets", "s", 1, 5, seal=True)])
        assert node.rejections.count("unsealable") == 1


async def test_a_forged_file_is_set_aside(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 1, 5), order("pods", "b", 1, 5)])
        payload = order("pods", "a", 1, 5).payload
        await node.checkpoint.save({topic_of("pods", "b"): payload, topic_of("pods", "c"): b"junk"})
    async with node_in(tmp_path) as node:
        assert set(node.desired.pods) == {"a"}
        assert len(node.damaged) == 2


class _RefusingDisk:
    """Turns a folder's order files into something that cannot be replaced, and back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "orders"

    def refuse(self, topic: str) -> None:
        (self.folder / (file_name(topic) + ".tmp")).mkdir()  # where the temporary file would be written

    def allow(self, topic: str) -> None:
        (self.folder / (file_name(topic) + ".tmp")).rmdir()


async def test_what_the_disk_refuses_is_not_accepted_and_is_taken_when_it_can_be_saved(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        disk, topic = _RefusingDisk(tmp_path), topic_of("pods", "a")
        disk.refuse(topic)
        await node.receiver.receive([order("pods", "a", 1, 5), order("pods", "b", 1, 5)])
        await node.receiver.receive([order("pods", "a", 1, 7), index([("pods", "a", 7), ("pods", "b", 5)], 1, 8)])
        await node.receiver.receive([order("pods", "a", 1, 6)])
        assert set(node.desired.pods) == {"b"}
        assert [entry.uid for entry in node.receiver.inventory()] == ["b"]
        assert node.receiver.unsaved == 1
        assert node.receiver.missing() == frozenset()
        await node.receiver.retry()
        assert node.receiver.unsaved == 1
        disk.allow(topic)
        await node.receiver.retry()
        assert node.mark("a") == "7"
        assert node.receiver.unsaved == 0
    async with node_in(tmp_path) as node:
        assert node.mark("a") == "7"


async def test_what_a_tombstone_ended_stays_ended_after_a_restart_and_an_index_clears_the_disk(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 1, 5)])
        await node.receiver.receive([tombstone("pods", "a", 1, 7)])
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 1, 5)])
        assert not node.desired.pods
        await node.receiver.receive([index([], 1, 8)])
    async with node_in(tmp_path) as node:
        await node.receiver.receive([order("pods", "a", 1, 5)])
        assert not node.desired.pods
    assert not (tmp_path / "orders" / file_name(topic_of("pods", "a"))).exists()


# ── what the wire may do to it ───────────────────────────────────────────────────────────────────────────────────────

UIDS = ("a", "b", "c")


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Delivery], dict[str, int]]:
    """What a sequence of leaders published about three pods, and the pods (uid → revision) that are wanted in the end."""
    wanted: dict[str, int] = {}
    dead: set[str] = set()
    published: list[Delivery] = []
    epoch, revision = 1, 0
    for step in draw(st.lists(st.sampled_from(["put", "put", "end", "index", "leader"]), min_size=1, max_size=14)):
        revision += 1
        uid = draw(st.sampled_from(UIDS))
        match step:
            case "put" if uid not in dead:
                wanted[uid] = revision
                published.append(order("pods", uid, epoch, revision))
            case "end" if uid in wanted:
                del wanted[uid]
                dead.add(uid)
                published.append(tombstone("pods", uid, epoch, revision))
            case "index":
                published.append(index([("pods", name, age) for name, age in wanted.items()], epoch, revision))
            case "leader":
                epoch += 1
                published += [order("pods", name, epoch, age) for name, age in wanted.items()]
    revision += 1
    published.append(index([("pods", name, age) for name, age in wanted.items()], epoch, revision))
    # The master answers the last hello with everything, and that arrives.
    final = [order("pods", name, epoch, age) for name, age in wanted.items()] + [published[-1]]
    return [*published, *final], wanted


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories(), st.data())
def test_duplicated_reordered_dropped_orders_never_regress_and_converge(
    history: tuple[list[Delivery], dict[str, int]], data: st.DataObject
) -> None:
    published, wanted = history
    final = len(wanted) + 1
    noise = data.draw(st.lists(st.sampled_from(published[:-final] or published), max_size=25))
    tail = data.draw(st.permutations(published[-final:]))
    late = data.draw(st.lists(st.sampled_from(published), max_size=6))
    arrivals = [*noise, *tail, *late]
    cuts = data.draw(st.lists(st.integers(0, len(arrivals)), max_size=3))

    async def scenario(folder: Path) -> None:
        seen: dict[str, tuple[int, int]] = {}
        ended: set[str] = set()
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(arrivals)], strict=True):
            async with node_in(folder) as node:  # the agent restarts at each cut
                for delivery in arrivals[start:end]:
                    await node.receiver.receive([delivery])
                    ages = {entry.uid: (entry.revision, entry.epoch) for entry in node.receiver.inventory()}
                    assert set(ages) == set(node.desired.pods)
                    for uid, age in ages.items():
                        assert age[0] >= seen.get(uid, (0, 0))[0], "an object went back"
                        assert node.mark(uid) == str(age[0])
                    seen |= ages
                    ended |= seen.keys() - ages.keys()
                converged = {uid: int(node.mark(uid) or 0) for uid in node.desired.pods}
        for delivery in published[-final:]:
            async with node_in(folder) as node:
                await node.receiver.receive([delivery])
        async with node_in(folder) as node:
            await node.receiver.receive(published[-final:])
            converged = {uid: int(node.mark(uid) or 0) for uid in node.desired.pods}
        assert converged == wanted

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        asyncio.run(scenario(Path(folder)))
