"""Makes images be on this host, as a container's pull policy says. One for all pods; called by the container starter.

Pulls of one image are made once at a time, at most three at once; a failed pull waits 10 s, doubling to 300 s.
https://kubernetes.io/docs/concepts/containers/images/
"""

import asyncio
import logging
import re
from dataclasses import dataclass

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.backoff import doubled
from agent.kubelet.credentials import credentials_for
from agent.kubelet.recorder import Recorder
from agent.runtime.errors import ImageNotFound, RuntimeFailure, RuntimeUnavailable
from agent.runtime.protocol import Images
from agent.runtime.spec import Image, RegistryCredentials
from agent.volumes.references import References

log = logging.getLogger(__name__)

_CONCURRENT_PULLS = 3
#: So long, in seconds, a failed pull is shown as ErrImagePull; then, as long as it waits, as ImagePullBackOff.
_SHOW_FAILURE = 2.0
_REFERENCE = re.compile(r"[a-z0-9]+[a-zA-Z0-9._:/@-]*\Z")


class ImageProblem(Exception):
    """The container waits with this reason and message. retry_after: seconds. `waiting`: not a new failure."""

    def __init__(self, reason: str, message: str, *, retry_after: float, waiting: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after
        self.waiting = waiting


@dataclass(slots=True)
class _Failure:
    delay: float
    until: float
    message: str


class ImageManager:
    def __init__(self, *, runtime: Images, recorder: Recorder) -> None:
        self._runtime = runtime
        self._recorder = recorder
        self._pulls = asyncio.Semaphore(_CONCURRENT_PULLS)
        self._locks: dict[str, asyncio.Lock] = {}
        self._failures: dict[str, _Failure] = {}
        self._pullable: dict[str, str] = {}

    def image_id(self, image_id: str) -> str:
        """As a container's status shows it."""
        if not image_id:
            return ""
        return self._pullable.get(image_id, f"docker://{image_id}")

    async def learn(self) -> None:
        """Know the digests of what is here. Raises RuntimeFailure."""
        self._pullable = {one.id: f"docker-pullable://{one.digests[0]}" for one in await self._runtime.images() if one.digests}

    async def ensure(self, pod: Pod, container: Container, references: References) -> Image:
        """The container's image, on this host. Raises ImageProblem, RuntimeUnavailable."""
        reference = container.image or ""
        if not _REFERENCE.match(reference):
            message = (
                f'Failed to apply default image tag "{reference}": '
                f'couldn\'t parse image name "{reference}": invalid reference format'
            )
            self._recorder.warning(pod, "InspectFailed", message, container)
            raise ImageProblem("InvalidImageName", message, retry_after=300)
        policy = container.imagePullPolicy or _default_policy(reference)
        present = None if policy == "Always" else await self._runtime.image(reference)
        if present is not None:
            message = f'Container image "{reference}" already present on machine'
            self._recorder.normal(pod, "Pulled", message, container)
            return self._known(present)
        if policy == "Never":
            message = f'Container image "{reference}" is not present with pull policy of Never'
            self._recorder.warning(pod, "ErrImageNeverPull", message, container)
            raise ImageProblem("ErrImageNeverPull", message, retry_after=10)
        return await self._pull(pod, container, reference, references)

    async def _pull(self, pod: Pod, container: Container, reference: str, references: References) -> Image:
        loop = asyncio.get_running_loop()
        failure = self._failures.get(reference)
        if failure is not None and failure.until > loop.time():
            message = f'Back-off pulling image "{reference}"'
            self._recorder.normal(pod, "BackOff", message, container)
            raise ImageProblem(
                "ImagePullBackOff",
                f"{message}: ErrImagePull: {failure.message}",
                retry_after=failure.until - loop.time(),
                waiting=True,
            )
        asked = loop.time()
        lock = self._locks.setdefault(reference, asyncio.Lock())
        try:
            async with lock, self._pulls:
                began = loop.time()
                self._recorder.normal(pod, "Pulling", f'Pulling image "{reference}"', container)
                image = await self._try(reference, credentials_for(pod, reference, references))
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            delay = doubled(failure.delay if failure is not None else 0.0)
            self._failures[reference] = _Failure(delay, loop.time() + delay, str(error))
            self._bound()
            message = f'Failed to pull image "{reference}": {error}'
            self._recorder.warning(pod, "Failed", message, container)
            raise ImageProblem("ErrImagePull", str(error), retry_after=min(delay, _SHOW_FAILURE)) from error
        self._failures.pop(reference, None)
        took, waited = loop.time() - began, loop.time() - asked
        self._recorder.normal(
            pod,
            "Pulled",
            f'Successfully pulled image "{reference}" in {took:.3g}s ({waited:.3g}s including waiting). '
            f"Image size: {image.size} bytes.",
            container,
        )
        return self._known(image)

    async def _try(self, reference: str, candidates: list[RegistryCredentials]) -> Image:
        """With each of the pod's credentials for the registry until one is let in."""
        last: RuntimeFailure | None = None
        attempts: list[RegistryCredentials | None] = [*candidates] or [None]
        for credentials in attempts:
            try:
                await self._runtime.pull(reference, credentials)
            except RuntimeUnavailable:
                raise
            except RuntimeFailure as error:
                last = error
                continue
            image = await self._runtime.image(reference)
            if image is not None:
                return image
            last = ImageNotFound(f"{reference} was pulled but is not there")
        assert last is not None
        raise last

    def _known(self, image: Image) -> Image:
        if image.digests:
            self._pullable[image.id] = f"docker-pullable://{image.digests[0]}"
        return image

    def _bound(self) -> None:
        if len(self._failures) > 1000:
            now = asyncio.get_running_loop().time()
            self._failures = {key: one for key, one in self._failures.items() if one.until > now}
            self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}


def _default_policy(reference: str) -> str:
    last = reference.rpartition("/")[2]
    return "Always" if "@" not in last and last.partition(":")[2] in ("", "latest") else "IfNotPresent"
