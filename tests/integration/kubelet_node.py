"""A kubelet on the real Docker with a network, image and root of its own, for integration tests."""

import asyncio
import io
import subprocess
import tarfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import msgspec
from lightkube.models.core_v1 import Pod
from lightkube.resources.core_v1 import ConfigMap, Secret
from lightkube.resources.core_v1 import Pod as PodResource

from agent.desired import Change, DesiredState
from agent.kubelet.kubelet import Kubelet
from agent.runtime.docker import DockerRuntime
from agent.settings.kubelet import KubeletSettings
from agent.volumes.tear_down import tear_down
from proto.messages import Message, StreamFrame, StreamOpen
from proto.stream import Stream

Json = dict[str, Any]

DOCKER = "unix:///run/docker.sock"


class Network:
    """A pod network that is ready from the start."""

    cluster_dns = "10.254.0.1"
    cluster_domain = "cluster.local"
    problem = ""

    def __init__(self, name: str) -> None:
        self.name = name

    async def ready(self) -> None:
        return


class Reports:
    """agent.reporter.Reporter that keeps everything."""

    def __init__(self) -> None:
        self.statuses: dict[str, list[Json]] = {}
        self.terminated: set[str] = set()
        self.events: list[tuple[str, str, str, str, str]] = []
        self.node: Json = {}
        self.mirrors: list[tuple[str, str, Json | None, str]] = []

    def pod_status(self, pod: Pod, status: Json, *, terminated: bool = False) -> None:
        assert pod.metadata is not None
        name = pod.metadata.name or ""
        self.statuses.setdefault(name, []).append(msgspec.json.decode(msgspec.json.encode(status)))
        if terminated:
            self.terminated.add(name)

    def mirror_pod(self, namespace: str, name: str, *, manifest: dict[str, Any] | None, uid: str = "") -> None:
        self.mirrors.append((namespace, name, manifest, uid))

    def node_status(self, status: Json) -> None:
        self.node = status

    def event(self, pod: Pod | None, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        name = pod.metadata.name if pod is not None and pod.metadata is not None else ""
        self.events.append((name or "", type_, reason, message, field_path))

    def last(self, name: str) -> Json:
        found = self.statuses.get(name)
        return found[-1] if found else {}

    def messages(self, name: str, reason: str) -> list[str]:
        return [message for pod, _, why, message, _ in self.events if (pod, why) == (name, reason)]


class Node:
    """What a test drives: orders pods, sees reports, stops and starts the kubelet."""

    def __init__(self, *, runtime: DockerRuntime, network: str, root: Path, image: str, mark: str) -> None:
        self.runtime = runtime
        self.network = Network(network)
        self.root = root
        self.image = image
        self.mark = mark
        self.desired = DesiredState()
        self.reports = Reports()
        self.orphans_may_go = False
        #: Of KubeletSettings, from the next start on.
        self.settings: dict[str, Any] = {}
        self.kubelet: Kubelet
        self._task: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup

    async def start(self) -> None:
        self.kubelet = Kubelet(
            node_name="node-1",
            node_addresses=["192.0.2.1"],
            runtime=self.runtime,
            desired=self.desired,
            reporter=self.reports,
            root=self.root,
            network=self.network,
            orphans_may_go=lambda: self.orphans_may_go,
            labels={},
            settings=KubeletSettings(**{"sandbox_image": f"{self.mark}-pause:1", "docker_config": "", **self.settings}),
        )
        self._task = self._group.create_task(self.kubelet.run())

    async def stop(self) -> None:
        """As a kill of the agent: nothing is wound down in order."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def order(self, manifest: Json) -> Pod:
        """The pod of this manifest is desired from now on."""
        pod = msgspec.convert(manifest, PodResource, strict=False)
        assert pod.metadata is not None
        assert pod.metadata.uid is not None
        self.desired.pods[pod.metadata.uid] = pod
        self.desired.tell(Change("pods", pod.metadata.namespace or "", pod.metadata.uid))
        return pod

    def remove(self, manifest: Json) -> None:
        """As a tombstone."""
        uid = manifest["metadata"]["uid"]
        self.desired.pods.pop(uid, None)
        self.desired.tell(Change("pods", "default", uid))

    def config_map(self, name: str, data: dict[str, str]) -> None:
        manifest = {"metadata": {"name": name, "namespace": "default"}, "data": data}
        self.desired.config_maps[("default", name)] = msgspec.convert(manifest, ConfigMap)
        self.desired.tell(Change("configmaps", "default", name))

    def secret(self, name: str, data: dict[str, str], *, type_: str = "Opaque") -> None:
        manifest = {"metadata": {"name": name, "namespace": "default"}, "type": type_, "data": data}
        self.desired.secrets[("default", name)] = msgspec.convert(manifest, Secret)
        self.desired.tell(Change("secrets", "default", name))

    def pod(self, name: str, *containers: Json, **spec: Any) -> Json:
        """A manifest; each container runs this test's image."""
        made = [
            {"image": self.image, "imagePullPolicy": "IfNotPresent", "name": f"c{index}", **container}
            for index, container in enumerate(containers)
        ]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "uid": f"{self.mark}-{name}"},
            "spec": {"containers": made, "terminationGracePeriodSeconds": 2, "nodeName": "node-1", **spec},
        }

    async def until(self, what: Callable[[], Any], *, timeout: float = 20.0) -> Any:
        """Wait until something holds; its value."""
        async with asyncio.timeout(timeout):
            while not (found := what()):
                await asyncio.sleep(0.02)
        return found

    async def until_ready(self, name: str, *, timeout: float = 20.0) -> Json:
        await self.until(lambda: ready(self.reports.last(name)), timeout=timeout)
        return self.reports.last(name)

    async def stream(
        self, kind: str, manifest: Json, *, container: str = "", **options: Any
    ) -> tuple[bytes, list[Json], Json]:
        """Open a stream, read it to its end: its output, statuses, and the close."""
        far: list[Message] = []
        closed: Json = {}

        async def to_far(message: Message) -> None:
            far.append(message)
            closed.update(
                msgspec.to_builtins(message, builtin_types=(bytes,)) if type(message).__name__ == "StreamClose" else {}
            )

        stream = Stream(to_far)
        request = StreamOpen(
            id="s",
            kind=kind,
            namespace="default",
            pod=manifest["metadata"]["name"],
            uid=manifest["metadata"]["uid"],
            container=container,
            options=options,
        )
        for index, data in enumerate(options.get("input", ())):
            await stream.deliver(StreamFrame(sequence=index, channel=0, data=data, eof=index == len(options["input"]) - 1))
        async with asyncio.timeout(20):
            await self.kubelet.handle_stream(request, stream)
        frames = [message for message in far if isinstance(message, StreamFrame)]
        output = b"".join(frame.data for frame in frames if frame.channel in (0, 1, 2))
        return output, [msgspec.json.decode(frame.data) for frame in frames if frame.channel == 3], closed

    def engine(self) -> list[Json]:
        """This test's containers as Docker has them."""
        client = docker.APIClient(DOCKER, version="auto")
        try:
            found = client.containers(all=True, filters={"label": ["io.wherry.kind"]})
            mine = [one for one in found if one["Labels"].get("io.wherry.pod.uid", "").startswith(self.mark)]
            inspected = []
            for one in mine:
                with suppress(docker.errors.NotFound):  # removed since it was listed
                    inspected.append(client.inspect_container(one["Id"]))
            return inspected
        finally:
            client.close()


def ready(status: Json) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))


def condition(status: Json, type_: str) -> Json:
    return next((one for one in status.get("conditions", ()) if one["type"] == type_), {})


@asynccontextmanager
async def kubelet_node(root: Path, *, docker_url: str = DOCKER) -> AsyncIterator[Node]:
    """A node; leaves no container, network, image or mount behind. docker_url: another way to the engine of DOCKER."""
    mark = f"wherry-test-{uuid.uuid4().hex[:8]}"
    image = f"{mark}:1"
    client = docker.APIClient(DOCKER, version="auto")
    _build(client, image)
    client.create_network(mark, driver="bridge")
    try:
        async with DockerRuntime(docker_url) as runtime:
            node = Node(runtime=runtime, network=mark, root=root, image=image, mark=mark)
            async with asyncio.TaskGroup() as group:
                node._group = group
                await node.start()
                try:
                    yield node
                finally:
                    await node.stop()
    finally:
        for one in client.containers(all=True, filters={"label": ["io.wherry.kind"]}):
            if one["Labels"].get("io.wherry.pod.uid", "").startswith(mark):
                client.remove_container(one["Id"], force=True, v=True)
        client.remove_network(mark)
        for reference in (image, f"{mark}-pause:1"):
            try:
                client.remove_image(reference, force=True)
            except docker.errors.ImageNotFound:
                continue
        client.close()
        tear_down(root)


def _build(client: docker.APIClient, reference: str) -> None:
    """A static busybox with its names, from scratch."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
        names = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
        for name in sorted(set(names) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for name in ("tmp", "etc", "dev", "proc", "sys"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
    repository, _, tag = reference.rpartition(":")
    client.import_image_from_data(buffer.getvalue(), repository=repository, tag=tag, changes=['CMD ["/bin/sleep", "3600"]'])
