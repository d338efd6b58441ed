"""Images from a real registry on the real Docker: policies, digests, credentials, back-off, a registry that hangs."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import docker
import pytest

from tests.hosts.registry import PASSWORD, USER, Registry
from tests.integration.kubelet_node import DOCKER, Json, Node, kubelet_node
from tests.ports import free_port

pytestmark = [pytest.mark.docker, pytest.mark.root]

STAYS = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]


@pytest.fixture
def engine() -> Iterator[docker.APIClient]:
    """The engine, rid afterwards of every image of this file's registries."""
    client = docker.APIClient(DOCKER, version="auto")
    try:
        yield client
    finally:
        for image in client.images():
            names = [
                name for name in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())) if "wherry-test-pull" in name
            ]
            for name in names:
                with suppress(docker.errors.NotFound):
                    client.remove_image(name, force=True)
        client.close()


@pytest.fixture
async def node(tmp_path: Path, engine: docker.APIClient) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet") as made:
        yield made


@asynccontextmanager
async def registry(tmp_path: Path, *, password: bool = False) -> AsyncIterator[Registry]:
    async with Registry(tmp_path / "registry", address="127.0.0.1", port=free_port(), password=password) as made:
        yield made


def pull(node: Node, name: str, image: str, policy: str = "IfNotPresent", **spec: object) -> Json:
    manifest = node.pod(name, {"image": image, "imagePullPolicy": policy, "command": STAYS}, **spec)
    node.order(manifest)
    return manifest


def waiting(node: Node, name: str) -> Json:
    statuses = node.reports.last(name).get("containerStatuses") or [{}]
    return dict(statuses[0].get("state", {}).get("waiting", {}))


async def until_reason(node: Node, name: str, reason: str) -> str:
    await node.until(lambda: waiting(node, name).get("reason") == reason)
    return str(waiting(node, name)["message"])


def auths(*entries: tuple[str, str, str]) -> str:
    """A Docker config of these servers, users and passwords."""
    return json.dumps(
        {"auths": {server: {"auth": base64.b64encode(f"{user}:{word}".encode()).decode()} for server, user, word in entries}}
    )


def pull_secret(node: Node, name: str, config: str) -> None:
    node.secret(
        name, {".dockerconfigjson": base64.b64encode(config.encode()).decode()}, type_="kubernetes.io/dockerconfigjson"
    )


async def test_images_come_by_tag_and_digest_and_a_registry_that_comes_back_is_found(
    node: Node, tmp_path: Path, engine: docker.APIClient
) -> None:
    async with registry(tmp_path) as hub:
        repository = "wherry-test-pull/app"
        digest = await hub.push(repository, "1")
        other = await hub.push(repository, "2")
        pull(node, "tag", hub.image(repository, "1"))
        pull(node, "digest", hub.image(repository, digest=other))
        pull(node, "both", hub.image(repository, "1", digest))
        pull(node, "none", hub.image(repository, "3"), hostname="x")
        for name, expected in (("tag", digest), ("digest", other), ("both", digest)):
            container = (await node.until_ready(name))["containerStatuses"][0]
            assert container["imageID"] == f"docker-pullable://{hub.image(repository, digest=expected)}"
        assert node.reports.messages("tag", "Pulling") == [f'Pulling image "{hub.image(repository, "1")}"']
        [pulled] = node.reports.messages("tag", "Pulled")
        assert pulled.startswith(f'Successfully pulled image "{hub.image(repository, "1")}" in ')
        assert "including waiting). Image size: " in pulled
        missing = hub.image(repository, "3")
        message = await until_reason(node, "none", "ImagePullBackOff")
        said = f"manifest for {missing} not found: manifest unknown: manifest unknown"
        assert message == f'Back-off pulling image "{missing}": ErrImagePull: {said}'
        assert node.reports.messages("none", "Failed")[:3] == [
            f'Failed to pull image "{missing}": {said}', "Error: ErrImagePull", "Error: ImagePullBackOff",
        ]  # fmt: skip
        assert node.reports.messages("none", "BackOff") == [f'Back-off pulling image "{missing}"']

        # What is here is enough unless the policy is Always.
        await hub.stop()
        pull(node, "here", hub.image(repository, "1"))
        pull(node, "asks", hub.image(repository, "1"), "Always")
        await node.until_ready("here")
        assert node.reports.messages("here", "Pulled") == [
            f'Container image "{hub.image(repository, "1")}" already present on machine'
        ]
        assert "connection refused" in await until_reason(node, "asks", "ImagePullBackOff")
        await hub.start()
        await hub.push(repository, "3")
        await node.until_ready("asks")
        await node.until_ready("none")
        assert len(node.reports.messages("asks", "Pulling")) == 2


async def test_registries_are_shown_the_credentials_that_match(node: Node, tmp_path: Path, engine: docker.APIClient) -> None:
    async with registry(tmp_path, password=True) as hub:
        for name in ("a", "b", "c", "d", "e"):
            await hub.push(f"wherry-test-pull/{name}", "1")
        wrong, right = (hub.host, USER, "wrong-word"), (hub.host, USER, PASSWORD)
        pull_secret(node, "wrong", auths(wrong))
        pull_secret(node, "right", auths(right, ("registry.example", "x", "y")))
        elsewhere = (f"{hub.host}/wherry-test-pull/other", USER, PASSWORD)
        pull_secret(
            node, "path", auths(elsewhere, (f"https://127.*.0.1:{hub.host.partition(':')[2]}/wherry-test-pull/d", *right[1:]))
        )
        node.secret(
            "old",
            {".dockercfg": base64.b64encode(json.dumps(json.loads(auths(right))["auths"]).encode()).decode()},
            type_="kubernetes.io/dockercfg",
        )
        pull(node, "nobody", hub.image("wherry-test-pull/a", "1"))
        pull(node, "stranger", hub.image("wherry-test-pull/a", "1"), imagePullSecrets=[{"name": "wrong"}, {"name": "absent"}])
        pull(node, "second", hub.image("wherry-test-pull/b", "1"), imagePullSecrets=[{"name": "wrong"}, {"name": "right"}])
        pull(node, "old", hub.image("wherry-test-pull/c", "1"), imagePullSecrets=[{"name": "old"}])
        pull(node, "path", hub.image("wherry-test-pull/d", "1"), imagePullSecrets=[{"name": "path"}])
        pull(node, "other-path", hub.image("wherry-test-pull/e", "1"), imagePullSecrets=[{"name": "path"}])
        for name in ("second", "old", "path"):
            await node.until_ready(name)
        for name in ("nobody", "stranger", "other-path"):
            await until_reason(node, name, "ImagePullBackOff")
            assert (
                "unauthorized" in waiting(node, name)["message"]
                or "no basic auth credentials" in waiting(node, name)["message"]
            )
        assert node.reports.messages("stranger", "FailedToRetrieveImagePullSecret") == [
            "Unable to retrieve some image pull secrets (absent); attempting to pull the image may not succeed."
        ]
        # The node's own file serves every pod, after its secrets.
        await node.stop()
        (tmp_path / "config.json").write_text(auths(right))
        node.settings["docker_config"] = str(tmp_path / "config.json")
        await node.start()
        for name in ("nobody", "stranger", "other-path"):
            await node.until_ready(name)
        told = json.dumps([node.reports.statuses, node.reports.events])
        assert PASSWORD not in told
        assert "wrong-word" not in told


@contextmanager
def silent_registry() -> Iterator[str]:
    """Takes connections and never answers; its address."""
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


async def test_a_registry_that_hangs_is_given_up_and_keeps_nobody_waiting(
    node: Node, tmp_path: Path, engine: docker.APIClient
) -> None:
    await node.stop()
    node.settings |= {"serialize_image_pulls": True, "image_pull_progress_deadline": 9}
    await node.start()
    with silent_registry() as silent:
        async with registry(tmp_path) as hub:
            await hub.push("wherry-test-pull/app", "1")
            pull(node, "stuck", f"{silent}/wherry-test-pull/x:1")
            await node.until(lambda: node.reports.messages("stuck", "Pulling"))
            pull(node, "next", hub.image("wherry-test-pull/app", "1"))
            pull(node, "local", node.image)
            await node.until_ready("local", timeout=4)
            await node.until_ready("next", timeout=8)
            assert not node.reports.messages("stuck", "Failed")
            message = await until_reason(node, "stuck", "ErrImagePull")
            assert message == f'pulling image "{silent}/wherry-test-pull/x:1" was given up: no progress for 9s'


async def test_only_images_that_wherry_pulled_and_nobody_uses_are_collected(
    node: Node, tmp_path: Path, engine: docker.APIClient
) -> None:
    async with registry(tmp_path) as hub:

        def image(name: str) -> str:
            return hub.image(f"wherry-test-pull/{name}", "1")

        def there() -> set[str]:
            tags = {tag for one in engine.images() for tag in one["RepoTags"] or () if hub.host in tag}
            return {tag.rpartition("/")[2].removesuffix(":1") for tag in tags}

        digest = ""
        for name in ("running", "ended", "unused", "named", "theirs", "by-digest"):
            digest = await hub.push(f"wherry-test-pull/{name}", "1")
        by_digest = hub.image("wherry-test-pull/by-digest", digest=digest)
        engine.pull(image("theirs"))
        manifests = {name: pull(node, name, image(name)) for name in ("running", "ended", "unused", "named", "theirs")}
        manifests["by-digest"] = pull(node, "by-digest", by_digest)
        for name in manifests:
            await node.until_ready(name)
        # Somebody else's container, and somebody else's name for an image.
        other = engine.create_container(image("ended"), ["true"], name=f"{node.mark}-other")["Id"]
        try:
            engine.tag(image("named"), "wherry-test-pull-kept/named", "1")
            for name in ("ended", "unused", "named", "theirs", "by-digest"):
                node.remove(manifests[name])
            await node.until(lambda: len([one for one in node.engine() if one["State"]["Running"]]) == 2)
            await node.stop()
            # From its records a new agent knows what is whose; the disk is always fuller than this.
            node.settings |= {"image_gc_high_threshold_percent": 1, "image_gc_low_threshold_percent": 0}
            await node.start()
            await node.until(lambda: node.reports.messages("", "FreeDiskSpaceFailed"))
            assert there() == {"running", "ended", "named", "theirs"}
            assert not [one for one in engine.images() if by_digest in (one["RepoDigests"] or ())]
            [message] = node.reports.messages("", "FreeDiskSpaceFailed")
            assert message.startswith("Failed to garbage collect required amount of images. Attempted to free ")
            records = node.root / "image_manager" / "pulled"
            assert len(list(records.iterdir())) == 3
            # It ran on all the while.
            assert node.reports.last("running")["containerStatuses"][0]["restartCount"] == 0
        finally:
            engine.remove_container(other, force=True)
