"""The labels and names by which a restarted agent finds everything again. The engine is the only store of what runs.

A container's name holds pod uid, container name and restart count, so the engine itself refuses a second instance of one.
"""

import hashlib
from dataclasses import dataclass

from lightkube.models.core_v1 import Container, Pod

from agent.runtime.spec import KIND_CONTAINER, KIND_SANDBOX, LABEL_KIND, ContainerState

POD_UID = "io.wherry.pod.uid"
POD_NAME = "io.wherry.pod.name"
POD_NAMESPACE = "io.wherry.pod.namespace"
#: Seconds of grace for a container whose pod's manifest is lost.
POD_GRACE = "io.wherry.pod.termination-grace-period"
CONTAINER_NAME = "io.wherry.container.name"
RESTART_COUNT = "io.wherry.container.restart-count"
SPEC_HASH = "io.wherry.container.hash"
#: Seconds that must pass after this instance's end before the next one: see agent.kubelet.pod.backoff.
BACK_OFF = "io.wherry.container.back-off"
SANDBOX_ID = "io.wherry.sandbox.id"
SANDBOX_ATTEMPT = "io.wherry.sandbox.attempt"

DEFAULT_GRACE = 30


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """A pod's key and uid."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        """As kubelet writes it in messages."""
        return f"{self.name}_{self.namespace}({self.uid})"


def identity(pod: Pod) -> PodIdentity:
    metadata = pod.metadata
    assert metadata is not None
    return PodIdentity(metadata.namespace or "default", metadata.name or "", metadata.uid or "")


def identity_of(state: ContainerState) -> PodIdentity:
    labels = state.labels
    return PodIdentity(labels.get(POD_NAMESPACE, ""), labels.get(POD_NAME, ""), labels.get(POD_UID, ""))


def spec_hash(container: Container) -> str:
    """Of what makes another container of it: name and image, as kubelet since 1.31; no agent upgrade restarts a container."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:16]


def restart_count(state: ContainerState) -> int:
    return _number(state, RESTART_COUNT)


def sandbox_attempt(state: ContainerState) -> int:
    return _number(state, SANDBOX_ATTEMPT)


def grace_of(state: ContainerState) -> int:
    return _number(state, POD_GRACE, DEFAULT_GRACE)


def back_off_of(state: ContainerState) -> float:
    return float(_number(state, BACK_OFF))


def _number(state: ContainerState, label: str, default: int = 0) -> int:
    text = state.labels.get(label, "")
    return int(text) if text.isdigit() else default


def sandbox_name(pod: PodIdentity, attempt: int) -> str:
    return f"wherry_POD_{pod.name}_{pod.namespace}_{pod.uid}_{attempt}"


def container_name(pod: PodIdentity, container: str, restarts: int) -> str:
    return f"wherry_{container}_{pod.name}_{pod.namespace}_{pod.uid}_{restarts}"


def _pod_labels(pod: PodIdentity, grace: int) -> dict[str, str]:
    return {POD_UID: pod.uid, POD_NAME: pod.name, POD_NAMESPACE: pod.namespace, POD_GRACE: str(grace)}


def sandbox_labels(pod: PodIdentity, *, attempt: int, grace: int) -> dict[str, str]:
    return {LABEL_KIND: KIND_SANDBOX, **_pod_labels(pod, grace), SANDBOX_ATTEMPT: str(attempt)}


def container_labels(
    pod: PodIdentity, container: Container, *, restarts: int, back_off: float, sandbox_id: str, grace: int
) -> dict[str, str]:
    return {
        LABEL_KIND: KIND_CONTAINER,
        **_pod_labels(pod, grace),
        CONTAINER_NAME: container.name,
        RESTART_COUNT: str(restarts),
        SPEC_HASH: spec_hash(container),
        BACK_OFF: str(int(back_off)),
        SANDBOX_ID: sandbox_id,
    }
