"""The fewest writes from present slices to wanted endpoints."""

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from lightkube.models.core_v1 import ObjectReference, ServiceSpec
from lightkube.models.discovery_v1 import Endpoint, EndpointConditions, EndpointPort
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice

from master.controllers.discovery.slices import MAX_ENDPOINTS, Changes, Group, labels_for, plan

SERVICE = Service(
    metadata=ObjectMeta(name="web", namespace="default", uid="s"),
    spec=ServiceSpec(selector={"app": "web"}, clusterIP="10.96.0.9"),
)
PORTS = (EndpointPort(name="", port=80, protocol="TCP"),)
OTHER_PORTS = (EndpointPort(name="", port=81, protocol="TCP"),)


def endpoint(number: int, *, ready: bool = True) -> Endpoint:
    return Endpoint(
        addresses=[f"10.244.{number // 250}.{number % 250}"],
        conditions=EndpointConditions(ready=ready, serving=ready, terminating=False),
        targetRef=ObjectReference(kind="Pod", uid=f"pod-{number}"),
    )


def existing(name: str, numbers: Sequence[int], ports: Sequence[EndpointPort] = PORTS) -> EndpointSlice:
    return EndpointSlice(
        addressType="IPv4",
        metadata=ObjectMeta(name=name, namespace="default", labels=labels_for(SERVICE)),
        endpoints=[endpoint(number) for number in numbers],
        ports=list(ports),
    )


def change(present: Sequence[EndpointSlice], numbers: Sequence[int]) -> Changes:
    group = Group("IPv4", PORTS, [endpoint(number) for number in numbers])
    return plan(SERVICE, present, [group], ["IPv4"])


def names(slices: Sequence[EndpointSlice]) -> list[str | None]:
    return [each.metadata.name for each in slices if each.metadata]


def applied(present: Sequence[EndpointSlice], changes: Changes) -> list[EndpointSlice]:
    slices = {each.metadata.name: each for each in present if each.metadata}
    for each in changes.deleted:
        del slices[each.metadata.name if each.metadata else None]
    for each in changes.updated:
        assert each.metadata
        assert each.metadata.name in slices
        slices[each.metadata.name] = each
    created = [
        msgspec.structs.replace(
            each, metadata=msgspec.structs.replace(each.metadata or ObjectMeta(), name=f"created-{number}")
        )
        for number, each in enumerate(changes.created)
    ]
    return [*slices.values(), *created]


def test_nothing_is_written_when_nothing_changed() -> None:
    assert change([existing("a", [1, 2])], [2, 1]) == Changes()


def test_a_new_endpoint_goes_into_the_fullest_slice_with_room() -> None:
    changes = change([existing("a", range(50)), existing("b", range(50, 140))], range(141))
    assert (names(changes.updated), changes.created, changes.deleted) == (["b"], [], [])


def test_only_the_slice_of_a_changed_endpoint_is_written() -> None:
    group = Group("IPv4", PORTS, [endpoint(1), endpoint(2, ready=False)])
    changes = plan(SERVICE, [existing("a", [1]), existing("b", [2])], [group], ["IPv4"])
    assert (names(changes.updated), changes.created, changes.deleted) == (["b"], [], [])


def test_a_slice_that_runs_empty_goes_and_the_last_one_stays_empty() -> None:
    assert names(change([existing("a", [1]), existing("b", [2])], [1]).deleted) == ["b"]
    changes = change([existing("a", [1]), existing("b", [2])], [])
    assert (names(changes.deleted), names(changes.updated)) == (["b"], ["a"])
    assert [each.endpoints for each in changes.updated] == [[]]


def test_a_service_without_pods_gets_one_empty_slice() -> None:
    [created] = change([], []).created
    assert created.endpoints == []
    assert created.metadata
    assert created.metadata.generateName == "web-"
    assert change(applied([], change([], [])), []) == Changes()


def test_other_ports_mean_other_slices() -> None:
    groups = [Group("IPv4", PORTS, [endpoint(1)]), Group("IPv4", OTHER_PORTS, [endpoint(2)])]
    changes = plan(SERVICE, [existing("a", [1, 2])], groups, ["IPv4"])
    assert names(changes.updated) == ["a"]
    assert [[e.targetRef.uid for e in each.endpoints or () if e.targetRef] for each in changes.created] == [["pod-2"]]


def test_a_slice_that_would_go_is_used_for_what_is_new() -> None:
    changes = change([existing("empty", [], ports=[])], [1])
    assert (names(changes.updated), changes.created, changes.deleted) == (["empty"], [], [])
    assert [(each.ports, len(each.endpoints or ())) for each in changes.updated] == [(list(PORTS), 1)]


def test_a_changed_label_of_the_service_is_written_to_all_its_slices() -> None:
    stale = existing("a", [1])
    assert stale.metadata
    stale.metadata.labels = {"old": "label"}
    assert names(change([stale, existing("b", [2])], [1, 2]).updated) == ["a"]


@settings(max_examples=60)
@given(
    present=st.lists(st.sets(st.integers(0, 400), max_size=100), max_size=4),
    wanted=st.sets(st.integers(0, 400), max_size=350),
)
def test_whatever_was_there_each_wanted_endpoint_is_there_once_afterwards(present: list[set[int]], wanted: set[int]) -> None:
    taken: set[int] = set()
    slices = []
    for number, numbers in enumerate(present):
        slices.append(existing(f"s{number}", sorted(numbers - taken)))
        taken |= numbers
    changes = change(slices, sorted(wanted))
    result = applied(slices, changes)
    uids = sorted(e.targetRef.uid or "" for each in result for e in each.endpoints or () if e.targetRef)
    assert uids == sorted(f"pod-{number}" for number in wanted)
    assert all(len(each.endpoints or ()) <= MAX_ENDPOINTS for each in result)
    assert result
    assert change(result, sorted(wanted)) == Changes()
