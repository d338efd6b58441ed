"""Taints, tolerations, the brakes on evicting, pod CIDRs, silence."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import NodeCondition, NodeSpec, NodeStatus, Taint, Toleration
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node

from master.controllers.nodes.cidrs import CidrSet
from master.controllers.nodes.conditions import readiness, silenced
from master.controllers.nodes.disruption import Rates, TokenBucket, ZoneState, eviction_rates, zone_state
from master.controllers.nodes.taints import (
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
    evicting_key,
    eviction_time,
    has_eviction_taint,
    tolerates,
    with_eviction_taint,
    with_scheduling_taints,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(seconds=60)
RATES = Rates(normal=0.1, secondary=0.01, unhealthy_threshold=0.55, large_cluster_size=50)


def node(*conditions: tuple[str, str], unschedulable: bool | None = None) -> Node:
    return Node(
        metadata=ObjectMeta(name="n1", creationTimestamp=EARLIER),
        spec=NodeSpec(unschedulable=unschedulable),
        status=NodeStatus(conditions=[NodeCondition(type=type_, status=status, reason="r") for type_, status in conditions]),
    )


def keys(taints: list[Taint]) -> set[tuple[str, str]]:
    return {(taint.key, taint.effect) for taint in taints}


def test_a_silent_node_is_unknown_in_all_that_it_reported_and_never_updated_in_the_rest() -> None:
    found = silenced(node(("Ready", "True"), ("MemoryPressure", "False")), NOW)
    assert found is not None
    assert [(c.type, c.status, c.reason, c.message) for c in found] == [
        ("Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."),
        ("MemoryPressure", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."),
        ("DiskPressure", "Unknown", "NodeStatusNeverUpdated", "Kubelet never posted node status."),
        ("PIDPressure", "Unknown", "NodeStatusNeverUpdated", "Kubelet never posted node status."),
    ]


def test_a_node_that_is_unknown_already_is_not_written_again() -> None:
    unknown = [(type_, "Unknown") for type_ in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")]
    assert silenced(node(*unknown), NOW) is None
    assert readiness(node()) == "Unknown"


@pytest.mark.parametrize(
    ("conditions", "unschedulable", "wanted"),
    [
        ([("Ready", "True")], None, set()),
        ([("Ready", "False")], None, {NOT_READY}),
        ([("Ready", "Unknown")], None, {UNREACHABLE}),
        ([], None, {NOT_READY}),
        ([("Ready", "True"), ("DiskPressure", "True")], True, {"node.kubernetes.io/disk-pressure", UNSCHEDULABLE}),
    ],
)
def test_a_nodes_state_calls_for_these_taints(
    conditions: list[tuple[str, str]], unschedulable: bool | None, wanted: set[str]
) -> None:
    users = Taint(key="users", effect="NoSchedule")
    stale = Taint(key="node.kubernetes.io/memory-pressure", effect="NoSchedule")
    found = with_scheduling_taints(node(*conditions, unschedulable=unschedulable), [users, stale], NOW)
    assert keys(found) == {("users", "NoSchedule"), *((key, "NoSchedule") for key in wanted)}


def test_only_a_node_that_reported_is_evicted() -> None:
    found = [evicting_key(node(*each)) for each in ([], [("Ready", "True")], [("Ready", "False")], [("Ready", "Unknown")])]
    assert found == [None, None, NOT_READY, UNREACHABLE]


def test_the_eviction_taint_changes_its_name_but_not_its_time() -> None:
    users = Taint(key="users", effect="NoExecute")
    first = with_eviction_taint([users], NOT_READY, EARLIER)
    second = with_eviction_taint(first, UNREACHABLE, NOW)
    assert keys(second) == {("users", "NoExecute"), (UNREACHABLE, "NoExecute")}
    assert [taint.timeAdded for taint in second if taint.key == UNREACHABLE] == [EARLIER]
    assert with_eviction_taint(second, None, NOW) == [users]
    assert has_eviction_taint(second, UNREACHABLE)
    assert not has_eviction_taint(second, NOT_READY)


@pytest.mark.parametrize(
    ("toleration", "met"),
    [
        (Toleration(operator="Exists"), True),
        (Toleration(key="k", operator="Exists"), True),
        (Toleration(key="k", operator="Equal", value="v"), True),
        (Toleration(key="k", value="v", effect="NoExecute"), True),
        (Toleration(key="k", value="other"), False),
        (Toleration(key="other", operator="Exists"), False),
        (Toleration(key="k", operator="Exists", effect="NoSchedule"), False),
    ],
)
def test_a_toleration_meets_a_taint_as_in_kubernetes(toleration: Toleration, met: bool) -> None:
    assert tolerates(toleration, Taint(key="k", value="v", effect="NoExecute")) is met


def evicted_at(
    *tolerations: Toleration, taint_added: datetime | None = EARLIER, created: datetime = EARLIER
) -> datetime | None:
    taints = [Taint(key="k", effect="NoExecute", timeAdded=taint_added), Taint(key="x", effect="NoSchedule")]
    return eviction_time(taints, tolerations, seen=NOW, not_before=created)


def for_seconds(seconds: int | None) -> Toleration:
    return Toleration(key="k", operator="Exists", effect="NoExecute", tolerationSeconds=seconds)


def test_a_pod_leaves_when_its_toleration_ends() -> None:
    assert evicted_at() == EARLIER
    assert evicted_at(for_seconds(None)) is None
    assert evicted_at(for_seconds(300)) == EARLIER + timedelta(seconds=300)
    assert evicted_at(for_seconds(300), for_seconds(20)) == EARLIER + timedelta(seconds=20)
    assert evicted_at(for_seconds(-5)) == EARLIER


def test_time_counts_from_the_taint_or_from_when_it_was_seen_but_not_from_before_the_pod() -> None:
    assert evicted_at(for_seconds(10), taint_added=None) == NOW + timedelta(seconds=10)
    assert evicted_at(for_seconds(10), created=NOW) == NOW + timedelta(seconds=10)


@pytest.mark.parametrize(
    ("ready", "not_ready", "state"),
    [
        (3, 0, ZoneState.NORMAL),
        (1, 1, ZoneState.NORMAL),
        (1, 2, ZoneState.NORMAL),
        (2, 3, ZoneState.PARTIAL_DISRUPTION),
        (3, 3, ZoneState.NORMAL),
        (0, 1, ZoneState.FULL_DISRUPTION),
        (0, 0, ZoneState.NORMAL),
    ],
)
def test_a_zones_state_follows_its_share_of_nodes_not_ready(ready: int, not_ready: int, state: ZoneState) -> None:
    assert zone_state(ready, not_ready, 0.55) is state


def test_evicting_slows_down_in_large_zones_and_stops_in_small_ones() -> None:
    assert eviction_rates({"small": (2, 8), "large": (20, 80), "well": (9, 1)}, RATES) == {
        "small": 0.0,
        "large": 0.01,
        "well": 0.1,
    }


def test_a_dead_zone_beside_a_living_one_is_evicted_but_nothing_is_when_all_are_dead() -> None:
    assert eviction_rates({"dead": (0, 5), "well": (5, 0)}, RATES) == {"dead": 0.1, "well": 0.1}
    assert eviction_rates({"one": (0, 5), "two": (0, 1)}, RATES) == {"one": 0.0, "two": 0.0}


def test_a_bucket_gives_one_token_at_once_and_the_next_after_its_time() -> None:
    bucket = TokenBucket(0.1, now=0.0)
    assert bucket.take(0.0)
    assert not bucket.take(9.9)
    assert bucket.take(10.0)
    bucket.set_rate(0.0, 10.0)
    assert not bucket.take(1000.0)


def test_the_lowest_free_cidr_is_given_and_none_when_all_are_taken() -> None:
    cidrs = CidrSet(IPv4Network("10.0.0.0/22"), 24)
    taken = [IPv4Network("10.0.0.0/24"), IPv4Network("10.0.2.128/25"), IPv4Network("192.168.0.0/16")]
    assert cidrs.first_free(taken) == IPv4Network("10.0.1.0/24")
    assert cidrs.first_free([*taken, IPv4Network("10.0.1.0/24")]) == IPv4Network("10.0.3.0/24")
    assert cidrs.first_free([IPv4Network("10.0.0.0/8")]) is None


@pytest.mark.parametrize("mask", [15, 31])
def test_a_mask_that_does_not_fit_is_refused(mask: int) -> None:
    with pytest.raises(ValueError):
        CidrSet(IPv4Network("10.0.0.0/16"), mask)


@given(count=st.integers(0, 16), lost=st.sets(st.integers(0, 15)))
def test_no_cidr_is_given_twice(count: int, lost: set[int]) -> None:
    cidrs = CidrSet(IPv4Network("10.0.0.0/20"), 24)
    given_out: list[IPv4Network] = []
    for _ in range(count):
        found = cidrs.first_free(given_out)
        assert found is not None
        given_out.append(found)
    kept = [cidr for number, cidr in enumerate(given_out) if number not in lost]
    again = cidrs.first_free(kept)
    assert again is None or not any(again.overlaps(cidr) for cidr in kept)
    assert len(set(given_out)) == count
