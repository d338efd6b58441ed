"""Which node pods get, and what they are told when there is none."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightkube.resources.core_v1 import Pod

from master.scheduler.placement import FitError, Placement
from master.scheduler.pod import Shapes
from master.scheduler.registry import load_plugins
from tests.unit.master.scheduler.placing import PlacingWorld, make_node, make_pod

ONE_CPU = {"cpu": "1", "memory": "1Gi"}


def test_the_message_counts_reasons_as_kubernetes_does() -> None:
    world = PlacingWorld(
        make_node("a", allocatable={"cpu": "500m", "memory": "8Gi", "pods": "110"}),
        make_node("b", taints=[{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]),
    )
    assert world.place(make_pod("p", requests=ONE_CPU)) == (
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {dedicated: db}. preemption: 0/2 nodes "
        "are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
    )


def test_without_nodes_the_message_says_so() -> None:
    assert PlacingWorld().place(make_pod("p")) == "no nodes available to schedule pods"


def reasons(world: PlacingWorld, pod: Pod) -> str:
    """The part of the message that tells why."""
    message = world.place(pod)
    return message.partition("are available: ")[2].partition(". preemption:")[0] or message


def test_every_resource_that_is_short_is_named() -> None:
    world = PlacingWorld(make_node("a", allocatable={"cpu": "1", "memory": "1Gi", "pods": "1"}))
    world.put(make_pod("there", requests=ONE_CPU), "a")
    wanted = {**ONE_CPU, "example.com/gpu": "1"}
    assert reasons(world, make_pod("p", requests=wanted)) == (
        "1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 Insufficient memory, 1 Too many pods"
    )


def test_what_fits_exactly_fits() -> None:
    world = PlacingWorld(make_node("a", allocatable={"cpu": "2", "memory": "2Gi", "pods": "110"}))
    assert [world.place(make_pod(f"p{n}", requests=ONE_CPU)) for n in range(2)] == ["a", "a"]
    assert reasons(world, make_pod("p3", requests={"cpu": "1m"})) == "1 Insufficient cpu"
    assert world.place(make_pod("p4")) == "a", "what asks for nothing always fits"


def test_init_containers_and_sidecars_count_as_kubernetes_adds_them() -> None:
    def container(cpu: str, **more: Any) -> dict[str, Any]:
        return {"name": f"i{cpu}", "resources": {"requests": {"cpu": cpu}}, **more}

    pod = make_pod(
        "p",
        requests={"cpu": "1"},
        initContainers=[container("3"), container("500m", restartPolicy="Always"), container("2")],
        overhead={"cpu": "100m"},
    )
    # init 3, or sidecar 0.5 + init 2, or sidecar 0.5 + container 1; and the overhead on top.
    assert Shapes().info(pod).shape.requests == {"cpu": 3100}


@pytest.mark.parametrize(
    ("spec", "node", "why"),
    [
        ({}, {"unschedulable": True}, "1 node(s) were unschedulable"),
        ({"nodeSelector": {"disk": "ssd"}}, {}, "1 node(s) didn't match Pod's node affinity/selector"),
        ({}, {"taints": [{"key": "k", "effect": "NoExecute"}]}, "1 node(s) had untolerated taint {k: }"),
    ],
)
def test_a_node_is_refused(spec: dict[str, Any], node: dict[str, Any], why: str) -> None:
    assert reasons(PlacingWorld(make_node("a", **node)), make_pod("p", **spec)) == why


@pytest.mark.parametrize(
    ("spec", "node"),
    [
        ({"tolerations": [{"operator": "Exists"}]}, {"unschedulable": True}),
        ({"nodeSelector": {"disk": "ssd"}}, {"labels": {"disk": "ssd"}}),
        ({}, {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}),
        (
            {"tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}]},
            {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]},
        ),
        (
            {"tolerations": [{"key": "k", "operator": "Exists"}]},
            {"taints": [{"key": "k", "value": "v", "effect": "NoExecute"}]},
        ),
    ],
)
def test_a_node_is_accepted(spec: dict[str, Any], node: dict[str, Any]) -> None:
    assert PlacingWorld(make_node("a", **node)).place(make_pod("p", **spec)) == "a"


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["x", "y"]}]}, {"a", "b"}),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["x"]}]}, {"b", "c"}),
        ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, {"c"}),
        ({"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["5"]}]}, {"b"}),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["c"]}]}, {"c"}),
        ({}, set()),
    ],
)
def test_required_node_affinity(term: dict[str, Any], expected: set[str]) -> None:
    world = PlacingWorld(
        make_node("a", labels={"zone": "x", "size": "5"}), make_node("b", labels={"zone": "y", "size": "9"}), make_node("c")
    )
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    placed = {world.place(make_pod(f"p{n}", owner="rs", affinity=affinity)) for n in range(6)}
    if not expected:
        assert placed == {world.place(make_pod("q", affinity=affinity))}
        assert "didn't match Pod's node affinity/selector" in placed.pop()
    else:
        assert placed == expected


def test_preferences_move_a_pod_but_do_not_stop_it() -> None:
    world = PlacingWorld(
        make_node("a", taints=[{"key": "k", "effect": "PreferNoSchedule"}]),
        make_node("b"),
        make_node("c", labels={"disk": "ssd"}),
    )
    preference = {"weight": 100, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}
    assert world.place(make_pod("p", affinity=affinity)) == "c"
    assert world.place(make_pod("q")) == "b"
    assert world.place(make_pod("r", nodeSelector={"kubernetes.io/hostname": "a"})) == "a"


def test_a_host_port_is_taken_once_per_node_and_free_again() -> None:
    world = PlacingWorld(make_node("a"), make_node("b"))
    assert {world.place(make_pod(f"p{n}", host_port=80)) for n in range(2)} == {"a", "b"}
    assert reasons(world, make_pod("p3", host_port=80)) == "2 node(s) didn't have free ports for the requested pod ports"
    assert world.place(make_pod("q", host_port=81)) in ("a", "b")
    world.cluster.remove(("default", "p0"))
    assert world.place(make_pod("p4", host_port=80)) in ("a", "b")


@pytest.mark.parametrize(("nodes", "pods"), [(2, 4), (3, 10), (7, 70)])
def test_a_replica_sets_pods_are_spread_equally(nodes: int, pods: int) -> None:
    world = PlacingWorld(*[make_node(f"n{n}") for n in range(nodes)])
    world.put(make_pod("big", requests={"cpu": "2"}), "n0")
    placed = Counter(world.place(make_pod(f"p{n}", owner="rs")) for n in range(pods))
    assert max(placed.values()) - min(placed.values()) <= 1
    assert len(placed) == nodes


def test_pods_go_where_more_is_left_and_where_the_image_is() -> None:
    world = PlacingWorld(make_node("a"), make_node("b"))
    world.put(make_pod("there", requests={"cpu": "2", "memory": "4Gi"}), "a")
    assert world.place(make_pod("p", requests=ONE_CPU)) == "b"
    images = [{"names": ["app:1"], "sizeBytes": 900 << 20}]
    assert PlacingWorld(make_node("a"), make_node("b", images=images)).place(make_pod("p")) == "b"


def term(key: str, **labels: str) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": labels}}


def test_anti_affinity_keeps_pods_apart_both_ways() -> None:
    world = PlacingWorld(make_node("a"), make_node("b"))
    affinity = {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term("kubernetes.io/hostname", app="web")]}
    }
    first = make_pod("p", labels={"app": "web"}, affinity=affinity)
    assert {world.place(first), world.place(make_pod("q", labels={"app": "web"}, affinity=affinity))} == {"a", "b"}
    third = make_pod("r", labels={"app": "web"}, affinity=affinity)
    assert reasons(world, third) == "2 node(s) didn't match pod anti-affinity rules"
    assert reasons(world, make_pod("s", labels={"app": "web"})) == "2 node(s) didn't satisfy existing pods anti-affinity rules"
    assert world.place(make_pod("t", labels={"app": "db"})) in ("a", "b")
    assert world.place(make_pod("u", namespace="other", labels={"app": "web"})) in ("a", "b"), "rules hold in their namespace"
    world.cluster.remove(("default", "p"))
    world.cluster.remove(("default", "q"))
    assert world.place(make_pod("s", labels={"app": "web"})) in ("a", "b")


def test_affinity_follows_its_pods_and_its_first_may_go_anywhere() -> None:
    world = PlacingWorld(
        *[make_node(name, labels={"zone": zone}) for name, zone in (("a", "x"), ("b", "x"), ("c", "y"))], make_node("d")
    )
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term("zone", app="web")]}}
    assert reasons(world, make_pod("lonely", affinity=near)) == "4 node(s) didn't match pod affinity rules"
    first = world.place(make_pod("w0", labels={"app": "web"}, affinity=near, nodeSelector={"zone": "x"}))
    assert first in ("a", "b")
    assert {world.place(make_pod(f"p{n}", owner="rs", affinity=near)) for n in range(4)} == {"a", "b"}


def test_preferred_pod_affinity_scores() -> None:
    world = PlacingWorld(make_node("a"), make_node("b"), make_node("c"))
    world.put(make_pod("db", labels={"app": "db"}), "b")
    weighted = [{"weight": 100, "podAffinityTerm": term("kubernetes.io/hostname", app="db")}]
    near = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}
    away = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}
    assert world.place(make_pod("p", affinity=near)) == "b"
    assert world.place(make_pod("q", affinity=away)) in ("a", "c")


def test_namespace_selectors_widen_a_rule() -> None:
    world = PlacingWorld(make_node("a"))
    world.cluster.put_namespace("team", {"team": "x"})
    world.put(make_pod("there", namespace="team", labels={"app": "web"}), "a")
    rule = {**term("kubernetes.io/hostname", app="web"), "namespaceSelector": {"matchLabels": {"team": "x"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}
    assert reasons(world, make_pod("p", affinity=affinity)) == "1 node(s) didn't match pod anti-affinity rules"


def test_topology_spread_keeps_the_skew() -> None:
    world = PlacingWorld(
        *[make_node(f"x{n}", labels={"zone": "x"}) for n in range(3)],
        make_node("y", labels={"zone": "y"}),
        make_node("nowhere"),
    )
    constraint = {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **term("zone", app="web")}
    placed = [world.place(make_pod(f"p{n}", labels={"app": "web"}, topologySpreadConstraints=[constraint])) for n in range(6)]
    zones = Counter("y" if node == "y" else "x" for node in placed)
    assert zones == {"x": 3, "y": 3}
    world.cluster.put_node(make_node("y", labels={"zone": "y"}, unschedulable=True))
    world.place(make_pod("p7", labels={"app": "web"}, topologySpreadConstraints=[constraint]))
    assert reasons(world, make_pod("p8", labels={"app": "web"}, topologySpreadConstraints=[constraint])) == (
        "1 node(s) didn't match pod topology spread constraints (missing required label), "
        "1 node(s) were unschedulable, 3 node(s) didn't match pod topology spread constraints"
    )


def test_soft_topology_spread_prefers_the_emptier_domain() -> None:
    world = PlacingWorld(*[make_node(f"x{n}", labels={"zone": "x"}) for n in range(3)], make_node("y", labels={"zone": "y"}))
    constraint = {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", **term("zone", app="web")}
    world.put(make_pod("there", labels={"app": "web"}), "x0")
    assert world.place(make_pod("p", labels={"app": "web"}, topologySpreadConstraints=[constraint])) == "y"


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("place", "place", "place", "remove", "cordon", "grow", "drop")), st.integers(0, 5), st.integers(0, 3)
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_kept_results_never_differ_from_fresh_ones(actions: list[tuple[str, int, int]]) -> None:
    """What is kept between pods must give the same node as asking every plugin about every node."""
    world = PlacingWorld(*[make_node(f"n{n}") for n in range(4)])
    for number, (action, which, kind) in enumerate(actions):
        name = f"n{which}"
        if action == "remove":
            world.cluster.remove(("default", f"p{which}"))
        elif action == "cordon":
            world.cluster.put_node(make_node(name, unschedulable=bool(kind % 2)))
        elif action == "grow":
            world.cluster.put_node(make_node(name, labels={"k": str(kind)}, allocatable={"cpu": str(kind), "pods": "3"}))
        elif action == "drop":
            world.cluster.remove_node(name)
        else:
            pod = make_pod(f"p{number}", owner=f"rs{kind}", requests={"cpu": f"{kind}00m"}, host_port=kind * 1000)
            info = world.shapes.info(pod)
            fresh = Placement(world.cluster, load_plugins(world.cluster)).place(info)
            kept = world.placement.place(info)
            assert kept == fresh
            if not isinstance(kept, FitError):
                world.cluster.place(info, kept.name)
