"""Manifests and container states for tests of the kubelet's pure parts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from lightkube.resources.core_v1 import Pod

from agent.kubelet.labels import container_labels, identity, sandbox_labels
from agent.kubelet.pods import every_container
from agent.runtime.spec import ContainerState

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def pod(*containers: dict[str, Any], **spec: Any) -> Pod:
    made = [{"name": f"c{index}", "image": "app:1", **one} for index, one in enumerate(containers or ({},))]
    inits = [{"name": f"i{index}", "image": "app:1", **one} for index, one in enumerate(spec.pop("inits", ()))]
    manifest = {
        "metadata": {"name": "web", "namespace": "default", "uid": "u1", "labels": {"app": "web"}},
        "spec": {"containers": made, "initContainers": inits, **spec},
    }
    return msgspec.convert(manifest, Pod, strict=False)


def sandbox(made_for: Pod, *, attempt: int = 0, running: bool = True) -> ContainerState:
    return ContainerState(
        id=f"sandbox{attempt}",
        name=f"sandbox{attempt}",
        labels=sandbox_labels(identity(made_for), attempt=attempt, grace=30),
        phase="running" if running else "exited",
        created_at=NOW - timedelta(hours=1),
        ips=("10.244.0.5",) if running else (),
    )


def instance(
    made_for: Pod,
    name: str = "c0",
    *,
    restarts: int = 0,
    exit_code: int | None = None,
    ended: float = 0.0,
    ran: float = 5.0,
    back_off: float = 0.0,
    sandbox_id: str = "sandbox0",
) -> ContainerState:
    """Running, or ended `ended` seconds ago with `exit_code` after it `ran` so long."""
    container = next(one for one in every_container(made_for) if one.name == name)
    finished = NOW - timedelta(seconds=ended)
    return ContainerState(
        id=f"{name}-{restarts}",
        name=f"{name}-{restarts}",
        labels=container_labels(
            identity(made_for), container, restarts=restarts, back_off=back_off, sandbox_id=sandbox_id, grace=30
        ),
        phase="running" if exit_code is None else "exited",
        created_at=finished - timedelta(seconds=ran),
        started_at=finished - timedelta(seconds=ran),
        finished_at=None if exit_code is None else finished,
        exit_code=exit_code or 0,
        image="app:1",
        image_id="sha256:1",
    )
