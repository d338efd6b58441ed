"""The container runtime on a Docker engine: DockerRuntime joins the parts, each of which speaks to the one engine.

Used by `agent.app`, which enters it and hands it to the kubelet and the pod network. Works without an engine at the start
and across its restarts: calls raise RuntimeUnavailable meanwhile. Podman's Docker-compatible socket serves as well.
"""

from agent.runtime.docker_containers import DockerContainers
from agent.runtime.docker_images import DockerImages
from agent.runtime.docker_networks import DockerNetworks
from agent.runtime.docker_streams import DockerStreams
from agent.runtime.engine import Engine


class DockerRuntime(DockerContainers, DockerImages, DockerStreams, DockerNetworks):
    """agent.runtime.protocol.ContainerRuntime. `base_url` as Docker writes it ("unix:///run/docker.sock", "tcp://…").

    concurrency: how many calls that make or start something the engine is given at once.
    """

    def __init__(self, base_url: str, concurrency: int = 4) -> None:
        super().__init__(Engine(base_url, concurrency=concurrency))

    async def __aenter__(self) -> "DockerRuntime":
        await self._engine.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._engine.__aexit__(*exc)
