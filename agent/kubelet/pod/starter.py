"""Makes and starts one instance of a container: image, environment, mounts, create; then start and postStart hook.

Called by the pod worker in two steps, so that a container is created while its sandbox still starts. A failure is told as an
Event and raised as StartFailed with what the container's status shows.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from lightkube.models.core_v1 import Container, LifecycleHandler, Pod

from agent.kubelet.images.manager import ImageProblem
from agent.kubelet.labels import POD_UID, container_labels, container_name, identity
from agent.kubelet.node.machine import pid_max
from agent.kubelet.pod.actions import Start
from agent.kubelet.pod.container_status import WaitReason
from agent.kubelet.pod.directory import PodDirectory
from agent.kubelet.pod.environment import (
    InvalidContainer,
    describe,
    environment,
    expanded,
    needs_pod_ip,
    service_environment,
)
from agent.kubelet.pod.hooks import HookFailed, run_hook
from agent.kubelet.pod.resources import pids_limit, resources
from agent.kubelet.pod.security import security
from agent.kubelet.pod.volumes import mounts
from agent.kubelet.pods import spec_grace, spec_of, target_of
from agent.kubelet.runtime_class import NoRuntime, runtime_handler
from agent.kubelet.services import PodServices
from agent.runtime.errors import Conflict, RuntimeFailure, RuntimeUnavailable
from agent.runtime.spec import ContainerSpec, Mount
from agent.volumes.protocol import Prepared
from agent.volumes.references import ObjectMissing, References
from proto.k8s.quantity import units

#: Waits for the sandbox and tells the pod's addresses.
PodIps = Callable[[], Awaitable[tuple[str, ...]]]

TERMINATION_MESSAGE_PATH = "/dev/termination-log"
#: kubelet tries a container that could not be made again after this many seconds.
_RETRY = 10.0


class StartFailed(Exception):
    """The container waits with this reason; try again after so many seconds."""

    def __init__(self, why: WaitReason, *, retry_after: float = _RETRY) -> None:
        super().__init__(why.reason)
        self.why = why
        self.retry_after = retry_after


class Starter:
    """For one pod."""

    def __init__(self, services: PodServices, directory: PodDirectory) -> None:
        self._services = services
        self._directory = directory

    async def create(
        self, pod: Pod, start: Start, *, sandbox_id: str, volumes: Mapping[str, Prepared], pod_ips: PodIps
    ) -> str:
        """The new container's id. pod_ips waits for the sandbox. Raises StartFailed, RuntimeUnavailable."""
        services, container = self._services, start.container
        references = References(services.desired, identity(pod).namespace)
        try:
            image = await services.images.ensure(pod, container, references)
        except ImageProblem as error:
            self._failed(pod, container, error.reason)
            raise StartFailed(WaitReason(error.reason, str(error)), retry_after=error.retry_after) from error
        try:
            spec = await self._spec(pod, start, sandbox_id=sandbox_id, volumes=volumes, pod_ips=pod_ips, references=references)
            secured = security(pod, container, image, seccomp_root=services.root / "seccomp")
        except NoRuntime as error:
            # Its sandbox was made while the class was there.
            self._failed(pod, container, str(error))
            raise StartFailed(WaitReason("CreateContainerError", str(error))) from error
        except (InvalidContainer, ObjectMissing) as error:
            message = describe(error, pod)
            self._failed(pod, container, message)
            reason = error.reason if isinstance(error, InvalidContainer) else "CreateContainerConfigError"
            raise StartFailed(WaitReason(reason, message)) from error
        return await self._make(pod, container, replace(spec, security=secured))

    async def _make(self, pod: Pod, container: Container, spec: ContainerSpec) -> str:
        runtime, recorder = self._services.runtime, self._services.recorder
        try:
            try:
                container_id = await runtime.create_container(spec)
            except Conflict:
                # The name holds uid and restart count: what has it is a leftover of this very start, never begun.
                await self._remove_leftover(spec)
                container_id = await runtime.create_container(spec)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            self._failed(pod, container, str(error))
            raise StartFailed(WaitReason("CreateContainerError", str(error))) from error
        recorder.normal(pod, "Created", f"Created container: {container.name}", container)
        return container_id

    async def _remove_leftover(self, spec: ContainerSpec) -> None:
        for state in await self._services.runtime.list_containers(labels={POD_UID: spec.labels[POD_UID]}):
            if state.name == spec.name and not state.running:
                await self._services.runtime.remove(state.id)
                await self._services.pleg.refresh(state.id)

    async def begin(self, pod: Pod, container: Container, container_id: str) -> None:
        """Start a created container. Raises StartFailed, RuntimeUnavailable."""
        services = self._services
        try:
            await services.runtime.start(container_id)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            message = f'failed to start container "{container.name}": Error response from daemon: {error}'
            self._failed(pod, container, message)
            with contextlib.suppress(RuntimeFailure):
                await services.pleg.refresh(container_id)
            raise StartFailed(WaitReason("RunContainerError", message)) from error
        services.recorder.normal(pod, "Started", f"Started container {container.name}", container)
        await services.pleg.refresh(container_id)

    async def post_start(self, pod: Pod, container: Container, container_id: str, *, address: str) -> None:
        """Run the postStart hook, if there is one. Raises StartFailed."""
        services = self._services
        hook = post_start_hook(container)
        if hook is None:
            return
        try:
            await run_hook(hook, pod, container, container_id=container_id, address=address, streams=services.runtime)
        except HookFailed as error:
            services.recorder.warning(pod, "FailedPostStartHook", "PostStartHook failed", container)
            raise StartFailed(WaitReason("PostStartHookError", str(error))) from error

    def _failed(self, pod: Pod, container: Container, message: str) -> None:
        self._services.recorder.warning(pod, "Failed", f"Error: {message}", container)

    async def _spec(
        self,
        pod: Pod,
        start: Start,
        *,
        sandbox_id: str,
        volumes: Mapping[str, Prepared],
        pod_ips: PodIps,
        references: References,
    ) -> ContainerSpec:
        services, container, spec = self._services, start.container, spec_of(pod)
        node, who = services.node(), identity(pod)
        links = spec.enableServiceLinks is not False
        service_variables = service_environment(services.desired.services.values(), who.namespace, links=links)
        variables = environment(
            pod,
            container,
            references=references,
            services=service_variables,
            node=node,
            pod_ips=await pod_ips() if needs_pod_ip(container) else (),
        )
        devices = services.node_admission.devices.of_container(who.uid, container.name)
        volume_mounts = await mounts(pod, container, volumes, directory=self._directory, variables=variables)
        message = self._directory.termination_message(container.name, start.restarts)
        await asyncio.to_thread(_touch, message)
        taken = {mount.target for mount in volume_mounts}
        own = (
            Mount(str(self._directory.hosts), "/etc/hosts"),
            Mount(str(self._directory.resolver), "/etc/resolv.conf"),
            Mount(str(message), container.terminationMessagePath or TERMINATION_MESSAGE_PATH),
        )
        return ContainerSpec(
            name=container_name(who, container.name, start.restarts),
            image=container.image or "",
            labels=container_labels(
                who,
                container,
                restarts=start.restarts,
                back_off=start.back_off,
                sandbox_id=sandbox_id,
                grace=spec_grace(pod),
            ),
            sandbox_id=sandbox_id,
            command=expanded(container.command, variables),
            args=expanded(container.args, variables),
            env=tuple(f"{name}={value}" for name, value in {**devices.env, **variables}.items()),
            working_dir=container.workingDir or "",
            mounts=(*volume_mounts, *(mount for mount in own if mount.target not in taken)),
            resources=resources(
                pod,
                container,
                node_memory=units(node.allocatable.get("memory", "0")),
                pids=pids_limit(services.settings, highest=pid_max()),
            ),
            runtime=runtime_handler(pod, services.desired.runtime_classes, runtimes=node.runtimes),
            devices=devices.devices,
            device_requests=devices.requests,
            tty=bool(container.tty),
            stdin=bool(container.stdin),
            stdin_once=bool(container.stdinOnce),
            host_pid=bool(spec.hostPID),
            host_ipc=bool(spec.hostIPC),
            share_process_namespace=bool(spec.shareProcessNamespace),
            target_id=self._target_id(pod, container),
            log_max_bytes=services.settings.container_log_max_size,
            log_max_files=services.settings.container_log_max_files,
        )

    def _target_id(self, pod: Pod, container: Container) -> str:
        """Raises InvalidContainer while the target of an ephemeral container does not run."""
        target = target_of(container, pod)
        if not target:
            return ""
        found = self._services.pleg.observation(identity(pod).uid).newest(target)
        if found is None or not found.running:
            raise InvalidContainer(f"unable to find target container {target}")
        return found.id


def post_start_hook(container: Container) -> LifecycleHandler | None:
    return container.lifecycle.postStart if container.lifecycle is not None else None


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o666)
    # The process may run as any user.
    path.chmod(0o666)
