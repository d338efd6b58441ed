"""Makes images be on this host, as a container's pull policy says. One for all pods; called by the container starter.

A failed pull waits 10 s, doubling to 300 s, for each pod by itself: pods show registries different credentials. With the
policy Always the registry is asked at each start, and an image that is here does not help when it cannot be asked.
https://kubernetes.io/docs/concepts/containers/images/
"""

import asyncio
import logging
from dataclasses import dataclass

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.images import credentials
from agent.kubelet.images.pulled import PulledImages
from agent.kubelet.images.puller import ImagePuller
from agent.kubelet.images.reference import ImageReference, InvalidReference, parse
from agent.kubelet.labels import identity
from agent.kubelet.pod.backoff import MAXIMUM, doubled
from agent.kubelet.recorder import Recorder
from agent.runtime.errors import ImageNotFound, RegistryUnavailable, RuntimeFailure, RuntimeUnavailable
from agent.runtime.protocol import Images
from agent.runtime.spec import Image, RegistryCredentials
from agent.runtime.turns import Turn
from agent.settings.kubelet import KubeletSettings
from agent.volumes.references import References

log = logging.getLogger(__name__)

#: So long, in seconds, a failed pull is shown as ErrImagePull; then, as long as it waits, as ImagePullBackOff.
_SHOW_FAILURE = 2.0
#: A failure is forgotten this long after it.
_FORGET = 2 * MAXIMUM


class ImageProblem(Exception):
    """The container waits with this reason and message. retry_after: seconds."""

    def __init__(self, reason: str, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class _Failure:
    """Of one pod's image, on the loop's clock; `shown` is what the pod is told while it waits."""

    delay: float
    at: float
    shown: str


class ImageManager:
    def __init__(self, *, runtime: Images, recorder: Recorder, pulled: PulledImages, settings: KubeletSettings) -> None:
        self._runtime = runtime
        self._recorder = recorder
        self._pulled = pulled
        self._docker_config = settings.docker_config
        self._puller = ImagePuller(
            runtime=runtime,
            concurrent=1 if settings.serialize_image_pulls else settings.max_parallel_image_pulls,
            progress_deadline=settings.image_pull_progress_deadline,
        )
        self._failures: dict[tuple[str, str], _Failure] = {}
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
        requested = container.image or ""
        try:
            reference = parse(requested)
        except InvalidReference as error:
            message = f'Failed to apply default image tag "{requested}": couldn\'t parse image name "{requested}": {error}'
            self._recorder.warning(pod, "InspectFailed", message, container)
            raise ImageProblem("InvalidImageName", message, retry_after=300) from error
        policy = container.imagePullPolicy or _default_policy(reference)
        present = None if policy == "Always" else await self._inspect(pod, container, requested)
        if present is not None:
            return self._present(pod, container, present)
        if policy == "Never":
            message = f'Container image "{requested}" is not present with pull policy of Never'
            self._recorder.warning(pod, "ErrImageNeverPull", message, container)
            raise ImageProblem("ErrImageNeverPull", message, retry_after=10)
        self._back_off(pod, container, requested)
        return await self._pull(pod, container, reference, references, refresh=policy == "Always")

    async def _inspect(self, pod: Pod, container: Container, requested: str) -> Image | None:
        try:
            return await self._runtime.image(requested)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            message = f'Failed to inspect image "{requested}": {error}'
            self._recorder.warning(pod, "InspectFailed", message, container)
            raise ImageProblem("ImageInspectError", message, retry_after=10) from error

    def _present(self, pod: Pod, container: Container, image: Image) -> Image:
        self._recorder.normal(pod, "Pulled", f'Container image "{container.image}" already present on machine', container)
        return self._known(image)

    def _back_off(self, pod: Pod, container: Container, requested: str) -> None:
        """Raises ImageProblem while the pod waits for its next try."""
        failure = self._failures.get((identity(pod).uid, requested))
        remaining = failure.at + failure.delay - asyncio.get_running_loop().time() if failure is not None else 0.0
        if failure is not None and remaining > 0:
            message = f'Back-off pulling image "{requested}"'
            self._recorder.normal(pod, "BackOff", message, container)
            raise ImageProblem("ImagePullBackOff", f"{message}: {failure.shown}", retry_after=remaining)

    async def _pull(
        self, pod: Pod, container: Container, reference: ImageReference, references: References, *, refresh: bool
    ) -> Image:
        """refresh: also when the image has come while this waited for its turn."""
        loop, requested = asyncio.get_running_loop(), container.image or ""
        candidates = await self._credentials(pod, reference, references)
        self._recorder.normal(pod, "Pulling", f'Pulling image "{requested}"', container)
        asked = loop.time()
        async with self._puller.turn() as turn:
            if turn.waited and not refresh:
                present = await self._inspect(pod, container, requested)
                if present is not None:
                    return self._present(pod, container, present)
            began = loop.time()
            try:
                before = {one.id for one in await self._runtime.images()}
                image = await self._try(requested, candidates, turn)
            except RuntimeUnavailable:
                raise
            except RuntimeFailure as error:
                raise self._failed(pod, container, error) from error
        if image.id not in before or image.id in await self._pulled.all():
            await self._pulled.add(image.id, requested)
        self._recorder.normal(
            pod,
            "Pulled",
            f'Successfully pulled image "{requested}" in {_duration(loop.time() - began)} '
            f"({_duration(loop.time() - asked)} including waiting). Image size: {image.size} bytes.",
            container,
        )
        return self._known(image)

    def _failed(self, pod: Pod, container: Container, error: RuntimeFailure) -> ImageProblem:
        now, requested = asyncio.get_running_loop().time(), container.image or ""
        self._recorder.warning(pod, "Failed", f'Failed to pull image "{requested}": {error}', container)
        reason, message = "ErrImagePull", str(error)
        if isinstance(error, RegistryUnavailable):
            reason = "RegistryUnavailable"
            message = f"image pull failed for {requested} because the registry is unavailable: {error}"
        self._failures = {key: one for key, one in self._failures.items() if now - one.at < _FORGET}
        key = (identity(pod).uid, requested)
        delay = doubled(self._failures[key].delay if key in self._failures else 0.0)
        self._failures[key] = _Failure(delay, now, f"{reason}: {message}")
        return ImageProblem(reason, message, retry_after=min(delay, _SHOW_FAILURE))

    async def _credentials(
        self, pod: Pod, reference: ImageReference, references: References
    ) -> list[RegistryCredentials | None]:
        """What to try one after the other; nothing is shown when nothing matches."""
        if missing := credentials.missing_secrets(pod, references):
            self._recorder.warning(
                pod,
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed.",
            )
        node = await asyncio.to_thread(credentials.of_file, self._docker_config)
        return [*credentials.for_image(reference, [*credentials.of_pod(pod, references), node])] or [None]

    async def _try(self, requested: str, candidates: list[RegistryCredentials | None], turn: Turn) -> Image:
        """With each of the credentials until one is let in. Raises RuntimeFailure with what each of them met."""
        problems: dict[str, RuntimeFailure] = {}
        for candidate in candidates:
            try:
                await self._puller.pull(requested, candidate, turn)
            except RuntimeUnavailable:
                raise
            except RuntimeFailure as error:
                problems[str(error)] = error
                continue
            image = await self._runtime.image(requested)
            if image is not None:
                return image
            problems["gone"] = ImageNotFound(f"{requested} was pulled but is not there")
        if len(problems) == 1:
            raise next(iter(problems.values()))
        raise RuntimeFailure(f"[{', '.join(problems)}]")

    def _known(self, image: Image) -> Image:
        self._pulled.given(image.id)
        if image.digests:
            self._pullable[image.id] = f"docker-pullable://{image.digests[0]}"
        return image


def _default_policy(reference: ImageReference) -> str:
    return "Always" if not reference.digest and reference.tag in ("", "latest") else "IfNotPresent"


def _duration(seconds: float) -> str:
    """As Go writes a duration in whole milliseconds."""
    if seconds < 1:
        return f"{int(seconds * 1000)}ms"
    minutes, rest = divmod(int(seconds * 1000) / 1000, 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
