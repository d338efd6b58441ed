"""Where Podman's Docker-compatible socket speaks otherwise than Docker's, in one place. Pure; used by the Docker runtime.

Each difference is written so that it changes nothing for Docker, so no part asks which engine it talks to (ADR 28 has what
Podman cannot do). https://docs.podman.io/en/latest/_static/api.html
"""

from typing import Any

from agent.runtime.errors import Conflict, NotFound, RuntimeFailure

#: Podman answers 500 and names the reason in a field made for programs.
_CAUSES: dict[str, type[RuntimeFailure]] = {
    "container state improper": Conflict,
    "that name is already in use": Conflict,
    "container already exists": Conflict,
    "image used by another container": Conflict,
    "image is in use by a container": Conflict,
    "no such container": NotFound,
    "no such exec session": NotFound,
    "network not found": NotFound,
    "network is being used": Conflict,
}
#: What Docker calls it by what Podman does.
_ACTIONS = {"died": "die", "remove": "destroy"}
#: Docker writes names of its hub short, Podman in full.
_HUB = ("docker.io/library/", "docker.io/")


def error_of(cause: object) -> type[RuntimeFailure] | None:
    """What a failed request's cause means; None: nothing beyond its status."""
    return _CAUSES.get(cause) if isinstance(cause, str) else None


def actions(docker: tuple[str, ...]) -> tuple[str, ...]:
    """Event names to ask for so that these come from either engine."""
    return docker + tuple(podman for podman, name in _ACTIONS.items() if name in docker)


def action(name: str) -> str:
    """An event's name in Docker's words."""
    return _ACTIONS.get(name, name)


def familiar(reference: str) -> str:
    """An image's name as Docker shows it."""
    for prefix in _HUB:
        if reference.startswith(prefix):
            return reference.removeprefix(prefix)
    return reference


def joined(config: dict[str, Any], engine: str) -> dict[str, Any]:
    """A create request whose container shows its sandbox's host name: with Docker that comes with the sandbox's network."""
    host = config["HostConfig"]
    if engine == "podman" and host["NetworkMode"].startswith("container:"):
        return {**config, "HostConfig": {**host, "UTSMode": host["NetworkMode"]}}
    return config


def engine_name(version: dict[str, object]) -> str:
    """The engine's own name, from its answer to /version."""
    components = version.get("Components")
    names = [str(one.get("Name", "")) for one in components if isinstance(one, dict)] if isinstance(components, list) else []
    return "podman" if any(name.startswith("Podman") for name in names) else "docker"
