"""Images on Docker: look up, list, pull, import, remove. Part of DockerRuntime."""

import base64
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from urllib.parse import quote

import docker
import msgspec

from agent.runtime import podman
from agent.runtime.docker_part import DockerPart
from agent.runtime.errors import NotFound, RegistryUnavailable, RuntimeFailure, RuntimeUnavailable
from agent.runtime.spec import Image, RegistryCredentials

#: What a registry answers when it or what is before it is not there now.
_UNAVAILABLE = (502, 503, 504)


class _ErrorDetail(msgspec.Struct):
    code: int = 0


class _Progress(msgspec.Struct):
    error: str = ""
    errorDetail: _ErrorDetail = msgspec.field(default_factory=_ErrorDetail)


class DockerImages(DockerPart):
    async def image(self, reference: str) -> Image | None:
        try:
            raw: dict[str, Any] = await self._engine.quick(lambda client: client.inspect_image(reference))  # type: ignore[no-untyped-call]
        except NotFound:
            return None
        config = raw.get("Config") or {}
        return Image(
            id=raw["Id"],
            tags=_names(raw.get("RepoTags")),
            digests=_names(raw.get("RepoDigests")),
            size=int(raw.get("Size", 0)),
            user=config.get("User", ""),
            stop_signal=config.get("StopSignal", ""),
            volumes=tuple(config.get("Volumes") or ()),
        )

    async def images(self) -> list[Image]:
        found: list[dict[str, Any]] = await self._engine.quick(lambda client: client.images())
        return [
            Image(
                id=one["Id"],
                tags=_names(one.get("RepoTags")),
                digests=_names(one.get("RepoDigests")),
                size=int(one.get("Size", 0)),
            )
            for one in found
        ]

    async def pull(self, reference: str, credentials: RegistryCredentials | None) -> AsyncGenerator[None, None]:
        """Streams the engine's progress on the loop, so that a pull holds no thread and ends when it is closed."""
        path = f"/images/create?fromImage={quote(_tagged(reference), safe='')}"
        connection = await self._engine.open("POST", path, headers=_auth(credentials), patience=None)
        try:
            # The engine answers 200 and tells a failure as the last line of its progress.
            while line := await connection.reader.readline():
                step = msgspec.json.decode(line, type=_Progress)
                if step.error:
                    unavailable = step.errorDetail.code in _UNAVAILABLE
                    raise (RegistryUnavailable if unavailable else RuntimeFailure)(step.error)
                yield
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise RuntimeUnavailable(f"the container engine broke off a pull: {error}") from error
        finally:
            connection.close()

    async def images_in_use(self) -> frozenset[str]:
        found: list[dict[str, Any]] = await self._engine.quick(lambda client: client.containers(all=True))
        return frozenset(str(one["ImageID"]) for one in found)

    async def remove_image(self, reference: str) -> None:
        try:
            await self._engine.work(lambda client: client.remove_image(reference, noprune=True))
        except NotFound:
            return

    async def import_image(self, reference: str, tar: bytes, command: Sequence[str]) -> None:
        repository, _, tag = reference.rpartition(":")
        change = f"CMD {msgspec.json.encode(list(command)).decode()}"

        def call(client: docker.APIClient) -> None:
            # Named in a step of its own: Podman's import knows no tag.
            answer = client.import_image_from_data(tar, changes=[change])
            client.tag(msgspec.json.decode(answer.splitlines()[-1])["status"], repository, tag, force=True)

        await self._engine.work(call)


def _names(found: list[str] | None) -> tuple[str, ...]:
    return tuple(podman.familiar(name) for name in found or () if not name.startswith("<none>"))


def _tagged(reference: str) -> str:
    """Without tag or digest Docker would pull every tag."""
    if "@" in reference or ":" in reference.rpartition("/")[2]:
        return reference
    return f"{reference}:latest"


def _auth(credentials: RegistryCredentials | None) -> dict[str, str]:
    if credentials is None:
        return {}
    value = {
        "username": credentials.username,
        "password": credentials.password,
        "serveraddress": credentials.server,
        "identitytoken": credentials.identity_token,
    }
    return {"X-Registry-Auth": base64.urlsafe_b64encode(msgspec.json.encode(value)).decode()}
