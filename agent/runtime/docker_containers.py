"""Containers and sandboxes on Docker: create, start, kill, remove, inspect, events. Part of DockerRuntime.

Only containers with the house's label are ever listed or reported: others on the engine are none of ours.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import docker
import msgspec
import requests.exceptions

from agent.runtime import podman
from agent.runtime.docker_config import container_config, sandbox_config, update_config
from agent.runtime.docker_part import DockerPart
from agent.runtime.engine_privilege import lowest_oom_score
from agent.runtime.errors import Conflict, ImageNotFound, NotFound, RuntimeFailure, RuntimeUnavailable
from agent.runtime.spec import (
    LABEL_KIND,
    ContainerPhase,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    ResourceLimits,
    RuntimeEvent,
    SandboxSpec,
)

log = logging.getLogger(__name__)

_EVENTS = ("create", "start", "die", "destroy", "oom")
#: With more than so many the engine itself hangs.
_MOST_STUCK = 1
_RECONNECT_SECONDS = (0.1, 5.0)


class DockerContainers(DockerPart):
    async def create_sandbox(self, spec: SandboxSpec) -> str:
        return await self._create(spec.name, sandbox_config(spec))

    async def create_container(self, spec: ContainerSpec) -> str:
        return await self._create(spec.name, container_config(spec))

    async def _create(self, name: str, config: dict[str, Any]) -> str:
        def call(client: docker.APIClient) -> str:
            host = config["HostConfig"]
            host["OomScoreAdj"] = max(host["OomScoreAdj"], lowest_oom_score(self._engine.base_url))
            wanted = podman.joined(config, self._engine.name)
            return str(client.create_container_from_config(wanted, name)["Id"])  # type: ignore[no-untyped-call]

        try:
            return await self._engine.work(call)
        except NotFound as error:
            raise ImageNotFound(str(error)) from error

    async def start(self, container_id: str) -> None:
        await self._engine.work(lambda client: client.start(container_id))

    async def kill(self, container_id: str, signal: str) -> None:
        try:
            await self._engine.quick(lambda client: client.kill(container_id, signal))
        except (NotFound, Conflict):
            return

    async def update(self, container_id: str, limits: ResourceLimits) -> None:
        wanted = update_config(limits)
        if not wanted:
            return
        try:
            await self._engine.work(lambda client: client.update_container(container_id, **wanted))
        except NotFound:
            if await self.inspect(container_id) is None:
                raise
            raise RuntimeFailure("the container engine cannot change the resources of a running container") from None

    async def remove(self, container_id: str) -> None:
        # "removal already in progress" is a Conflict; the destroy event tells when it is over.
        try:
            await self._engine.work(lambda client: client.remove_container(container_id, v=True, force=True))
        except (NotFound, Conflict):
            return

    async def list_containers(self, *, labels: Mapping[str, str] = {}) -> list[ContainerState]:
        """The list lacks exit codes and times, so each container is inspected, in one go on the quick pool.

        One that the engine is stuck on is left out: it must not hide the others.
        """

        wanted = [LABEL_KIND, *(f"{key}={value}" for key, value in labels.items())]

        def call(client: docker.APIClient) -> list[dict[str, Any]]:
            found, stuck = [], 0
            for entry in client.containers(all=True, filters={"label": wanted}):
                try:
                    found.append(client.inspect_container(entry["Id"]))
                except docker.errors.NotFound:
                    continue
                except requests.exceptions.Timeout:
                    stuck += 1
                    if stuck > _MOST_STUCK:
                        raise
            return found

        return [_state(one) for one in await self._engine.quick(call)]

    async def inspect(self, container_id: str) -> ContainerState | None:
        try:
            return _state(await self._engine.quick(lambda client: client.inspect_container(container_id)))
        except NotFound:
            return None

    async def info(self) -> EngineInfo:
        info: dict[str, Any] = await self._engine.quick(lambda client: client.info())
        return EngineInfo(
            name=self._engine.name,
            version=str(info.get("ServerVersion", "")),
            operating_system=str(info.get("OperatingSystem", "")),
            kernel_version=str(info.get("KernelVersion", "")),
            architecture=str(info.get("Architecture", "")),
            cpus=int(info.get("NCPU", 0)),
            memory=int(info.get("MemTotal", 0)),
            runtimes=tuple(sorted(info.get("Runtimes") or {})),
            root=str(info.get("DockerRootDir", "")),
        )

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        shortest, longest = _RECONNECT_SECONDS
        delay = shortest
        # Not filtered by label: Podman would let none through.
        filters = msgspec.json.encode({"type": ["container"], "event": list(podman.actions(_EVENTS))}).decode()
        while True:
            try:
                connection = await self._engine.open("GET", f"/events?filters={quote(filters)}")
            except RuntimeUnavailable as error:
                log.debug("no events from the container engine", extra={"error": error, "retry_seconds": delay})
                await asyncio.sleep(delay)
                delay = min(delay * 2, longest)
                continue
            delay = shortest
            try:
                yield RuntimeEvent()
                while line := await connection.reader.readline():
                    event = msgspec.json.decode(line)
                    if LABEL_KIND in (event["Actor"].get("Attributes") or ()):
                        yield RuntimeEvent(container_id=event["Actor"]["ID"], action=podman.action(event["Action"]))
            except (OSError, ValueError, msgspec.DecodeError) as error:
                log.debug("the container engine's events broke off", extra={"error": error})
            finally:
                connection.close()
            await asyncio.sleep(shortest)


def parse_time(text: str) -> datetime | None:
    """Docker's RFC 3339 with nanoseconds; its zero time is none."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def _state(raw: dict[str, Any]) -> ContainerState:
    state, config = raw["State"], raw["Config"]
    created = parse_time(raw["Created"]) or datetime.now(UTC)
    started = parse_time(state.get("StartedAt", ""))
    finished = parse_time(state.get("FinishedAt", ""))
    status = state.get("Status", "")
    exit_code = int(state.get("ExitCode", 0))
    start_error = ""
    phase: ContainerPhase
    if state.get("Running") or status in ("running", "paused", "restarting"):
        phase = "running"
    elif status == "created":
        # A failed start leaves "created" with an exit code and the reason.
        start_error = str(state.get("Error") or ("the container could not be started" if exit_code else ""))
        phase = "exited" if start_error else "created"
        finished = started = created
    else:
        phase = "exited"
    ips = tuple(
        str(network["IPAddress"])
        for network in (raw.get("NetworkSettings") or {}).get("Networks", {}).values()
        if network and network.get("IPAddress")
    )
    return ContainerState(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        labels=config.get("Labels") or {},
        phase=phase,
        created_at=created,
        started_at=started if phase != "created" else None,
        finished_at=finished if phase == "exited" else None,
        exit_code=exit_code if phase == "exited" else 0,
        oom_killed=bool(state.get("OOMKilled")),
        start_error=start_error,
        image=podman.familiar(config.get("Image", "")),
        image_id=raw.get("Image", ""),
        pid=int(state.get("Pid") or 0),
        ips=ips,
        tty=bool(config.get("Tty")),
        stdin_once=bool(config.get("StdinOnce")),
        limits=_limits(raw.get("HostConfig") or {}),
    )


def _limits(host: dict[str, Any]) -> ResourceLimits:
    names = ("CpuShares", "CpuQuota", "CpuPeriod", "Memory")
    return ResourceLimits(*(int(host.get(name) or 0) for name in names))
