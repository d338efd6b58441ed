"""What to do next for a pod: a pure function of its manifest and of what the runtime shows. Called by the pod worker.

The counterpart of kubelet's computePodActions. Level-triggered: it looks at the present only, so it may be called at any
time and gives the same answer until something changes. It starts nothing twice: a container with a running instance in the
present sandbox is never started, and one that runs in an older sandbox is killed first.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.container_gc import DEFAULT, DeadContainers
from agent.kubelet.labels import SPEC_HASH, identity, restart_count, sandbox_attempt, spec_hash
from agent.kubelet.pod.backoff import back_off
from agent.kubelet.pod.observation import PodObservation, in_sandbox
from agent.kubelet.pods import containers, ephemeral_containers, every_container, init_containers, is_sidecar, restart_policy
from agent.runtime.spec import ContainerState

#: Which probe a running container has failed.
Verdict = Literal["liveness", "startup"]


@dataclass(frozen=True, slots=True)
class Start:
    """Start an instance; `back_off` is the delay that its own end will bring, in seconds."""

    container: Container
    restarts: int
    back_off: float


@dataclass(frozen=True, slots=True)
class Kill:
    """End an instance with grace. `message` is for the Killing event; `probe` tells whose grace period counts."""

    state: ContainerState
    message: str
    probe: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that waits out its back-off since `ended` finished."""

    container: Container
    ended: ContainerState
    delay: float
    until: datetime

    def message(self, pod: Pod) -> str:
        return f"back-off {_span(self.delay)} restarting failed container={self.container.name} pod={identity(pod)}"


@dataclass(frozen=True, slots=True)
class PodActions:
    """In this order: kill the pod (or single containers), remove leftovers, create the sandbox, start.

    `kill_pod`: everything that runs ends, sandboxes too. With `create_sandbox` the pod goes on in a new one, else it is over.
    """

    kill_pod: bool = False
    create_sandbox: bool = False
    sandbox_attempt: int = 0
    kill: tuple[Kill, ...] = ()
    remove: tuple[ContainerState, ...] = ()
    start: tuple[Start, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def wake_at(self) -> datetime | None:
        return min((one.until for one in self.waiting), default=None)

    @property
    def nothing(self) -> bool:
        return not (self.kill_pod or self.create_sandbox or self.kill or self.remove or self.start)


@dataclass(slots=True)
class _Plan:
    pod: Pod
    observed: PodObservation
    now: datetime
    restarts: Set[str]
    forgiven: Set[str]
    start: list[Start] = field(default_factory=list)
    kill: list[Kill] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    def begin(self, container: Container) -> None:
        """Start the next instance, or wait out the back-off of the last."""
        last = self.observed.newest(container.name)
        if last is None:
            self.start.append(Start(container, 0, 0.0))
        elif last.running:
            # In an older sandbox, or about to be killed: its end comes first, without back-off.
            self.start.append(Start(container, restart_count(last) + 1, 0.0))
        else:
            pause = back_off(last, self.now)
            if pause.until > self.now and container.name not in self.forgiven:
                self.waiting.append(Waiting(container, last, pause.delay, pause.until))
            else:
                self.start.append(Start(container, restart_count(last) + 1, pause.following))


def compute_pod_actions(
    pod: Pod,
    observed: PodObservation,
    *,
    now: datetime,
    verdicts: Mapping[str, Verdict] = {},
    started: Set[str] = frozenset(),
    restarts: Set[str] = frozenset(),
    forgiven: Set[str] = frozenset(),
    over: bool = False,
    dead: DeadContainers = DEFAULT,
) -> PodActions:
    """verdicts: by container id, the probe that failed it. started: ids whose startup probe passed and postStart hook ran.

    restarts: ids whose resize needs a restart. forgiven: names whose back-off is waived. dead: how many dead ones are kept.
    over: the pod has ended for good (its phase was Succeeded or Failed, or its deadline passed): only end what runs.
    """
    sandbox = observed.sandbox
    remove = _leftovers(pod, observed, sandbox, dead=dead, now=now)
    if over or _finished(pod, observed):
        return PodActions(kill_pod=bool(observed.running() or observed.sandboxes), remove=remove)
    plan = _Plan(pod, observed, now, restarts, forgiven)
    if sandbox is None:
        if restart_policy(pod) == "Never" and _begun(pod, observed):
            return PodActions(kill_pod=bool(observed.running() or observed.sandboxes), remove=remove)
        attempt = sandbox_attempt(observed.sandboxes[0]) + 1 if observed.sandboxes else _attempt_without_sandbox(observed)
        inits = init_containers(pod)
        if inits:
            plan.begin(inits[0])
        else:
            for container in containers(pod):
                if _to_be_run(pod, observed.newest(container.name)):
                    plan.begin(container)
        # A pod whose containers all wait needs no sandbox yet.
        create = bool(plan.start)
        return PodActions(
            kill_pod=bool(observed.running() or observed.sandboxes),
            create_sandbox=create,
            sandbox_attempt=attempt,
            remove=remove,
            start=tuple(plan.start),
            waiting=tuple(plan.waiting),
        )
    for container in ephemeral_containers(pod):
        # Even while the pod is being initialized; whatever becomes of one, it is never started again.
        if observed.newest(container.name) is None:
            plan.begin(container)
    outcome = _init_containers(plan, sandbox, verdicts, started)
    if outcome == "failed":
        return PodActions(kill_pod=True, remove=remove)
    if outcome == "done":
        for container in containers(pod):
            _container(plan, container, sandbox, verdicts)
    return PodActions(kill=tuple(plan.kill), remove=remove, start=tuple(plan.start), waiting=tuple(plan.waiting))


def _init_containers(
    plan: _Plan, sandbox: ContainerState, verdicts: Mapping[str, Verdict], started: Set[str]
) -> Literal["done", "waiting", "failed"]:
    """In order, each after the one before: ordinary ones have ended well, sidecars have started."""
    pod, observed = plan.pod, plan.observed
    begun = any(
        (last := observed.newest(container.name)) is not None and in_sandbox(last, sandbox) for container in containers(pod)
    )
    inits = init_containers(pod)
    furthest = -1
    for index, container in enumerate(inits):
        last = observed.newest(container.name)
        if last is not None and in_sandbox(last, sandbox):
            furthest = index
    outcome: Literal["done", "waiting"] = "done"
    for index, container in enumerate(inits):
        last = observed.newest(container.name)
        here = last is not None and in_sandbox(last, sandbox)
        # What a later one's instance proves done need not be seen: its own may have been removed.
        passed = begun or index < furthest
        if is_sidecar(container, pod):
            if outcome == "waiting" and not here:
                break
            if not here:
                if last is not None and last.running:
                    plan.kill.append(Kill(last, f"Stopping container {container.name}"))
                plan.begin(container)
                outcome = outcome if passed else "waiting"
                continue
            _container(plan, container, sandbox, verdicts)
            assert last is not None
            if not passed and not (last.running and last.id in started):
                outcome = "waiting"
            continue
        if passed or outcome == "waiting":
            continue
        if not here:
            plan.begin(container)
            outcome = "waiting"
            continue
        assert last is not None
        if last.running:
            outcome = "waiting"
        elif last.exit_code or last.start_error:
            if restart_policy(pod) == "Never":
                return "failed"
            plan.begin(container)
            outcome = "waiting"
    return outcome


def _container(plan: _Plan, container: Container, sandbox: ContainerState, verdicts: Mapping[str, Verdict]) -> None:
    """A container whose turn has come: keep it, restart it or leave it ended."""
    pod = plan.pod
    last = plan.observed.newest(container.name)
    if last is None or not last.running:
        if last is None or is_sidecar(container, pod) or _to_be_run(pod, last):
            plan.begin(container)
        return
    if not in_sandbox(last, sandbox):
        plan.kill.append(Kill(last, f"Stopping container {container.name}"))
        plan.begin(container)
        return
    if last.labels.get(SPEC_HASH) != spec_hash(container):
        plan.kill.append(Kill(last, f"Container {container.name} definition changed, will be restarted"))
        plan.begin(container)
        return
    verdict = verdicts.get(last.id)
    if verdict is not None:
        again = restart_policy(pod) != "Never" or is_sidecar(container, pod)
        message = f"Container {container.name} failed {verdict} probe"
        # The next instance waits for the next look: the kill changes what is seen, and its back-off counts from its end.
        plan.kill.append(Kill(last, f"{message}, will be restarted" if again else message, verdict))
    elif last.id in plan.restarts:
        plan.kill.append(Kill(last, f"Container {container.name} resize requires restart"))
        plan.begin(container)


def _to_be_run(pod: Pod, last: ContainerState | None) -> bool:
    """Whether a container without a running instance is to have one."""
    if last is None or last.running:
        return True
    match restart_policy(pod):
        case "Never":
            return False
        case "OnFailure":
            return last.exit_code != 0 or bool(last.start_error)
        case _:
            return True


def _finished(pod: Pod, observed: PodObservation) -> bool:
    """All containers have ended and none is to run again, or an init container failed for good."""
    if restart_policy(pod) == "Never":
        for container in init_containers(pod):
            last = observed.newest(container.name)
            ended_badly = last is not None and not last.running and (last.exit_code != 0 or bool(last.start_error))
            if ended_badly and not is_sidecar(container, pod) and observed.newest(containers(pod)[0].name) is None:
                return True
    return all(not _to_be_run(pod, observed.newest(container.name)) for container in containers(pod))


def _begun(pod: Pod, observed: PodObservation) -> bool:
    """A container has been started, or an init container runs: with its sandbox lost it ends, and nothing may run it again."""
    inits = (observed.newest(one.name) for one in init_containers(pod) if not is_sidecar(one, pod))
    if any(last is not None and last.running for last in inits):
        return True
    return any(observed.newest(container.name) is not None for container in containers(pod))


def _leftovers(
    pod: Pod, observed: PodObservation, sandbox: ContainerState | None, *, dead: DeadContainers, now: datetime
) -> tuple[ContainerState, ...]:
    """Never-begun instances, ended ones of each container beyond what is kept, and sandboxes other than the one that runs."""
    names = {container.name for container in every_container(pod)}
    found = [state for state in observed.containers() if state.phase == "created"]
    for name in observed.instances or {}:
        instances = observed.all_instances(name)
        found += dead.surplus(instances, now) if name in names else [state for state in instances if not state.running]
    found += [state for state in observed.sandboxes if state is not sandbox]
    return tuple(found)


def _attempt_without_sandbox(observed: PodObservation) -> int:
    """Sandboxes are removed when they end: count on from the containers' restarts, so that no name returns too early."""
    return max((restart_count(state) + 1 for state in observed.containers()), default=0)


def _span(seconds: float) -> str:
    """As Go prints a duration: 10s, 2m40s, 5m0s."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
