"""Which dead containers go, and which never do."""

from agent.kubelet.container_gc import DEFAULT, DeadContainers
from agent.kubelet.pod.actions import compute_pod_actions
from agent.kubelet.pod.observation import PodObservation
from agent.runtime.spec import ContainerState
from tests.unit.agent.kubelet.pod_world import NOW, instance, pod, sandbox

POD = pod({"name": "c0"}, {"name": "c1"})


def ended(name: str, *ages: float, running: bool = False) -> list[ContainerState]:
    """Instances that ended so many seconds ago, the oldest first, and perhaps one that runs."""
    found = [instance(POD, name, restarts=index, exit_code=1, ended=age) for index, age in enumerate(ages)]
    return [*found, instance(POD, name, restarts=len(ages))] if running else found


def ids(states: list[ContainerState]) -> list[str]:
    return [one.id for one in states]


def test_a_worker_keeps_one_dead_instance_beside_the_one_that_runs() -> None:
    observed = PodObservation.of([sandbox(POD), *ended("c0", 300, 200, 100, running=True), instance(POD, "c1")])

    def removed(dead: DeadContainers) -> set[str]:
        return set(ids(list(compute_pod_actions(POD, observed, now=NOW, dead=dead).remove)))

    assert removed(DEFAULT) == {"c0-0", "c0-1"}
    assert removed(DeadContainers(per_container=2)) == {"c0-0"}
    assert removed(DeadContainers(per_container=-1)) == set()
    assert removed(DeadContainers(minimum_age=250)) == {"c0-0"}


def test_beyond_the_number_in_all_the_longest_dead_go_first_and_the_newest_of_each_never() -> None:
    observed = [PodObservation.of([*ended("c0", 400, 100, running=True), *ended("c1", 300, 200)])]
    assert ids(DeadContainers(in_all=3).beyond(observed, NOW)) == ["c0-0"]
    assert ids(DeadContainers(in_all=2).beyond(observed, NOW)) == ["c0-0", "c1-0"]
    assert ids(DeadContainers(in_all=0).beyond(observed, NOW)) == ["c0-0", "c1-0", "c0-1"]
    assert DeadContainers(in_all=4).beyond(observed, NOW) == []
    assert DEFAULT.beyond(observed, NOW) == []


def test_under_pressure_all_that_may_go_goes_whatever_its_age() -> None:
    observed = [PodObservation.of([*ended("c0", 5, 1, running=True), *ended("c1", 3, 2)])]
    policy = DeadContainers(minimum_age=1000)
    assert policy.beyond(observed, NOW) == []
    assert sorted(ids(policy.beyond(observed, NOW, everything=True))) == ["c0-0", "c0-1", "c1-0"]
