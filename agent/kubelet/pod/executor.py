"""Carries out what compute_pod_actions decided, for one pod. Called by the pod worker only, one call at a time.

Every step is safe to be cut off by cancellation: what the engine had begun is finished and found again by its labels.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.labels import CONTAINER_NAME, identity
from agent.kubelet.pod.actions import Kill, PodActions, Start
from agent.kubelet.pod.directory import PodDirectory
from agent.kubelet.pod.files import NameTooLong, host_resolver, hosts_file, pod_resolver, write_in_place
from agent.kubelet.pod.grace import Grace, single_failure
from agent.kubelet.pod.killer import Killer
from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.pod.sandbox import sandbox_problem, sandbox_spec
from agent.kubelet.pod.starter import PodIps, Starter, StartFailed, post_start_hook
from agent.kubelet.pod.view import PodView
from agent.kubelet.pod.volumes import VolumesFailed, set_up
from agent.kubelet.pods import every_container, spec_grace, spec_of
from agent.kubelet.runtime_class import NoRuntime, runtime_handler
from agent.kubelet.services import PodServices
from agent.runtime.errors import Conflict, RuntimeFailure, RuntimeUnavailable
from agent.runtime.spec import ContainerState
from agent.volumes.protocol import Prepared
from agent.volumes.references import References

_VOLUME_RETRY = 5.0


class Executor:
    def __init__(self, services: PodServices, directory: PodDirectory, view: PodView) -> None:
        self._services = services
        self._directory = directory
        self._view = view
        self._starter = Starter(services, directory)
        self._killer = Killer(runtime=services.runtime, pleg=services.pleg, recorder=services.recorder)
        #: Whether the volumes' files may be behind what they are made of.
        self.volumes_stale = True
        self._mount_problems: dict[str, str] = {}

    async def execute(self, pod: Pod, observed: PodObservation, actions: PodActions) -> dict[str, float]:
        """What did not work: the seconds to wait, by container; "" for all of them. Raises RuntimeFailure, SandboxFailed."""
        if actions.create_sandbox and observed.sandboxes:
            text = "Pod sandbox changed, it will be killed and re-created."
            self._services.recorder.normal(pod, "SandboxChanged", text)
        if actions.kill_pod:
            await self._kill_pod(pod, observed)
        elif actions.kill:
            await self._kill(pod, observed, actions.kill)
        await self.remove(actions.remove)
        if not actions.start:
            return {}
        try:
            volumes = await self._set_up_volumes(pod)
        except VolumesFailed:
            return {"": _VOLUME_RETRY}
        await self._write_files(pod, observed.sandbox.ips if observed.sandbox is not None else ())
        try:
            if actions.create_sandbox:
                return await self._start_with_sandbox(pod, actions, volumes)
            assert observed.sandbox is not None
            return await self._start_all(pod, actions.start, volumes, observed.sandbox.id, observed.sandbox)
        except SandboxFailed as error:
            self._services.recorder.warning(pod, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            raise

    async def refresh_volumes(self, pod: Pod, *, running: bool) -> float | None:
        """Bring the files of changed objects to the running containers; seconds until it must be tried again, if it must."""
        if running and self.volumes_stale:
            try:
                await self._set_up_volumes(pod, live_only=True)
            except VolumesFailed:
                self.volumes_stale = True
                return _VOLUME_RETRY
        return None

    async def _set_up_volumes(self, pod: Pod, *, live_only: bool = False) -> dict[str, Prepared]:
        self.volumes_stale = False
        references = References(self._services.desired, identity(pod).namespace)
        try:
            paths = await set_up(
                pod,
                directory=self._directory,
                references=references,
                allocatable=lambda: self._services.node().allocatable,
                live_only=live_only,
            )
        except VolumesFailed as error:
            for name, problem in error.problems.items():
                if self._mount_problems.get(name) != problem:
                    self._services.recorder.warning(pod, "FailedMount", problem)
            self._mount_problems = dict(error.problems)
            raise
        self._mount_problems = {}
        return paths

    async def kill_all(self, pod: Pod, observed: PodObservation, *, grace: Grace) -> bool:
        """End everything; True when a look at the engine shows nothing running. Raises RuntimeFailure."""
        await self._killer.kill_all(pod, observed.running(), grace=grace, address=self._view.address(observed))
        return not (await self.look(pod)).running()

    async def look(self, pod: Pod) -> PodObservation:
        """The pod as the engine has it now, events or not. Raises RuntimeFailure."""
        await self._services.pleg.refresh_pod(identity(pod).uid)
        return self._services.pleg.observation(identity(pod).uid)

    async def remove(self, states: Iterable[ContainerState]) -> None:
        """Raises RuntimeFailure. Sandboxes go last: containers live in their namespaces."""
        ordered = sorted(states, key=lambda state: state.is_sandbox)
        for sandboxes in (False, True):
            async with single_failure(), asyncio.TaskGroup() as group:
                for state in ordered:
                    if state.is_sandbox == sandboxes:
                        group.create_task(self._remove(state))

    async def _remove(self, state: ContainerState) -> None:
        await self._services.runtime.remove(state.id)
        await self._services.pleg.refresh(state.id)

    async def _kill_pod(self, pod: Pod, observed: PodObservation) -> None:
        if observed.running():
            await self.kill_all(pod, observed, grace=Grace(self._view.final_grace(pod)))
        await self.remove(observed.sandboxes)

    async def _kill(self, pod: Pod, observed: PodObservation, kills: Iterable[Kill]) -> None:
        by_name = {container.name: container for container in every_container(pod)}
        async with single_failure(), asyncio.TaskGroup() as group:
            for kill in kills:
                container = by_name.get(kill.state.labels.get(CONTAINER_NAME, ""))
                group.create_task(
                    self._killer.kill(
                        pod,
                        container,
                        kill.state,
                        grace=Grace(_grace(pod, container, kill)),
                        address=self._view.address(observed),
                        message=kill.message,
                    )
                )

    async def _write_files(self, pod: Pod, pod_ips: tuple[str, ...]) -> None:
        network, settings = self._services.network, self._services.settings
        host_network = bool(spec_of(pod).hostNetwork)

        def work() -> None:
            self._directory.path.mkdir(parents=True, exist_ok=True)
            resolver = pod_resolver(
                pod,
                host=host_resolver(Path(settings.resolver_config)),
                cluster_dns=network.cluster_dns,
                cluster_domain=network.cluster_domain,
            )
            host_content = Path("/etc/hosts").read_text(encoding="utf-8", errors="replace") if host_network else ""
            hosts = hosts_file(pod, pod_ips=pod_ips, cluster_domain=network.cluster_domain, host_content=host_content)
            write_in_place(self._directory.resolver, str(resolver))
            write_in_place(self._directory.hosts, hosts)

        await asyncio.to_thread(work)

    async def _start_with_sandbox(self, pod: Pod, actions: PodActions, volumes: dict[str, Prepared]) -> dict[str, float]:
        """The containers are created while the sandbox starts."""
        services = self._services
        if problem := sandbox_problem(pod):
            raise SandboxFailed(problem)
        try:
            runtime = runtime_handler(pod, services.desired.runtime_classes, runtimes=services.node().runtimes)
        except NoRuntime as error:
            raise SandboxFailed(str(error)) from error
        if not spec_of(pod).hostNetwork:
            if services.network.problem:
                services.recorder.warning(pod, "NetworkNotReady", f"network is not ready: {services.network.problem}")
            await services.network.ready()
        try:
            image = await services.pause.ensure()
            spec = sandbox_spec(
                pod,
                attempt=actions.sandbox_attempt,
                image=image,
                network=services.network.name,
                cluster_domain=services.network.cluster_domain,
                runtime=runtime,
            )
            try:
                sandbox_id = await services.runtime.create_sandbox(spec)
            except Conflict:
                # Left by a start that was cut off: never the one that runs, which would have been seen.
                observed = await self.look(pod)
                await self.remove([state for state in observed.everything() if state.name == spec.name and not state.running])
                sandbox_id = await services.runtime.create_sandbox(spec)
        except RuntimeUnavailable:
            raise
        except (RuntimeFailure, NameTooLong) as error:
            raise SandboxFailed(str(error)) from error
        return await self._start_all(pod, actions.start, volumes, sandbox_id, None)

    async def _start_all(
        self,
        pod: Pod,
        starts: tuple[Start, ...],
        volumes: dict[str, Prepared],
        sandbox_id: str,
        sandbox: ContainerState | None,
    ) -> dict[str, float]:
        ready: asyncio.Future[ContainerState] = asyncio.get_running_loop().create_future()
        retries: dict[str, float] = {}

        async def pod_ips() -> tuple[str, ...]:
            state = await asyncio.shield(ready)
            return state.ips or self._services.node().ips[:1]

        async with single_failure(), asyncio.TaskGroup() as group:
            if sandbox is not None:
                ready.set_result(sandbox)
            else:
                group.create_task(self._start_sandbox(pod, sandbox_id, ready))
            creates = [
                group.create_task(self._create(pod, start, sandbox_id=sandbox_id, volumes=volumes, pod_ips=pod_ips))
                for start in starts
            ]
            state = await asyncio.shield(ready)
            # In order, each after the postStart hook of the one before.
            for start, create in zip(starts, creates, strict=True):
                made = await create
                failed = made if isinstance(made, StartFailed) else await self._begin(pod, start.container, made, state)
                if failed is not None:
                    self._view.wait(start.container.name, failed.why)
                    retries[start.container.name] = failed.retry_after
        return retries

    async def _create(
        self, pod: Pod, start: Start, *, sandbox_id: str, volumes: dict[str, Prepared], pod_ips: PodIps
    ) -> str | StartFailed:
        try:
            return await self._starter.create(pod, start, sandbox_id=sandbox_id, volumes=volumes, pod_ips=pod_ips)
        except StartFailed as error:
            return error

    async def _begin(self, pod: Pod, container: Container, container_id: str, sandbox: ContainerState) -> StartFailed | None:
        address = sandbox.ips[0] if sandbox.ips else next(iter(self._services.node().ips), "127.0.0.1")
        try:
            self._view.go_on(container.name)
            if post_start_hook(container) is not None:
                self._view.hooking.add(container_id)
            await self._starter.begin(pod, container, container_id)
            await self._starter.post_start(pod, container, container_id, address=address)
        except StartFailed as error:
            state = await self._services.pleg.refresh(container_id)
            if state is not None and state.running:
                await self._killer.kill(
                    pod, container, state, grace=Grace(spec_grace(pod)), address=address, message="FailedPostStartHook"
                )
            return error
        finally:
            self._view.hook_over(container_id)
        return None

    async def _start_sandbox(self, pod: Pod, sandbox_id: str, ready: "asyncio.Future[ContainerState]") -> None:
        try:
            await self._services.runtime.start(sandbox_id)
            state = await self._services.pleg.refresh(sandbox_id)
            if state is None or not state.running:
                raise SandboxFailed("the sandbox ended at once")
            await self._write_files(pod, state.ips)
            ready.set_result(state)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            raise SandboxFailed(str(error)) from error


class SandboxFailed(RuntimeFailure):
    """The sandbox cannot be made or started now."""


def _grace(pod: Pod, container: Container | None, kill: Kill) -> float:
    """A probe may bring a grace period of its own."""
    if container is not None and kill.probe is not None:
        probe = container.livenessProbe if kill.probe == "liveness" else container.startupProbe
        if probe is not None and probe.terminationGracePeriodSeconds is not None:
            return float(probe.terminationGracePeriodSeconds)
    return float(spec_grace(pod))
