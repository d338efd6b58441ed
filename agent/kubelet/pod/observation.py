"""One pod as the runtime has it: its sandboxes and the instances of its containers, newest first. Immutable."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.kubelet.labels import CONTAINER_NAME, SANDBOX_ID, restart_count, sandbox_attempt
from agent.runtime.spec import ContainerState


@dataclass(frozen=True, slots=True)
class PodObservation:
    """`sandboxes` newest first; `instances` by container name, newest first."""

    sandboxes: tuple[ContainerState, ...] = ()
    instances: dict[str, tuple[ContainerState, ...]] | None = None

    @classmethod
    def of(cls, states: Iterable[ContainerState]) -> "PodObservation":
        sandboxes, instances = [], dict[str, list[ContainerState]]()
        for state in states:
            if state.is_sandbox:
                sandboxes.append(state)
            else:
                instances.setdefault(state.labels.get(CONTAINER_NAME, ""), []).append(state)
        return cls(
            sandboxes=tuple(sorted(sandboxes, key=sandbox_attempt, reverse=True)),
            instances={name: tuple(sorted(found, key=restart_count, reverse=True)) for name, found in instances.items()},
        )

    @property
    def sandbox(self) -> ContainerState | None:
        """The one that runs, if exactly the newest does."""
        if self.sandboxes and self.sandboxes[0].running:
            return self.sandboxes[0]
        return None

    def all_instances(self, name: str) -> tuple[ContainerState, ...]:
        """Of a container, without those that were created but never begun: they are nothing yet."""
        return tuple(state for state in (self.instances or {}).get(name, ()) if state.phase != "created")

    def newest(self, name: str) -> ContainerState | None:
        found = self.all_instances(name)
        return found[0] if found else None

    def running(self) -> tuple[ContainerState, ...]:
        """Every container that runs, sandboxes excepted."""
        return tuple(state for found in (self.instances or {}).values() for state in found if state.running)

    def containers(self) -> tuple[ContainerState, ...]:
        return tuple(state for found in (self.instances or {}).values() for state in found)

    def everything(self) -> tuple[ContainerState, ...]:
        return (*self.sandboxes, *self.containers())


def in_sandbox(state: ContainerState, sandbox: ContainerState | None) -> bool:
    return sandbox is not None and state.labels.get(SANDBOX_ID) == sandbox.id
