"""Images and logs through kubectl: a registry with TLS and passwords, pull secrets, rotated logs, images that others prune."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding

from master.pki.authority import Authority, generate_key, key_to_pem
from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.manifests import manifest
from tests.e2e.pods import (
    FOREVER,
    IMAGE,
    Json,
    log_of,
    pod,
    sh,
    status,
    until_phase,
    until_ready,
    until_reason,
    until_restarted,
)
from tests.hosts.images import busybox_archive
from tests.hosts.registry import PASSWORD, USER, Registry

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

LINES = 3000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Its nodes keep three log files of 100 kB."""
    kubelet = {"container_log_max_size": 100_000, "container_log_max_files": 3}
    async with Cluster(("one",), agent_settings={"kubelet": kubelet}) as made:
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(cluster: Cluster) -> AsyncIterator[Registry]:
    """On the control host, with TLS by the cluster's CA, which the node's engine trusts, and a password."""
    control, folder = cluster.control, cluster.control.folder / "registry"
    certificate, key = await asyncio.to_thread(_certificate, cluster, folder)
    async with Registry(
        folder, address=control.address, port=5000, password=True, tls=(certificate, key), prefix=control.nsenter
    ) as made:
        yield made


def _certificate(cluster: Cluster, folder: Path) -> tuple[Path, Path]:
    pki = cluster.control.folder / "master" / "pki"
    authority = Authority.load((pki / "ca.key").read_bytes(), (pki / "ca.crt").read_bytes())
    cluster.nodes["one"].host.trusted_ca.write_bytes(authority.certificate_pem)
    folder.mkdir()
    made, key = (folder / "tls.crt", folder / "tls.key"), generate_key()
    made[0].write_bytes(authority.issue_server(key, "registry", [cluster.control.address]).public_bytes(Encoding.PEM))
    made[1].write_bytes(key_to_pem(key))
    return made


def pulled(name: str, image: str, *secrets: str, policy: str = "IfNotPresent", **spec: object) -> Json:
    named = [{"name": secret} for secret in secrets]
    return pod(name, sh(FOREVER, image=image, imagePullPolicy=policy), imagePullSecrets=named, **spec)


async def docker_registry_secret(kubectl: Kubectl, name: str, server: str, password: str) -> None:
    await kubectl(
        "create", "secret", "docker-registry", name,
        f"--docker-server={server}", f"--docker-username={USER}", f"--docker-password={password}",
    )  # fmt: skip


async def test_images_come_from_a_registry_that_asks_for_a_password(
    kubectl: Kubectl, registry: Registry, cluster: Cluster
) -> None:
    digest = await registry.push("team/app", "1")
    image = registry.image("team/app", "1")
    await docker_registry_secret(kubectl, "right", f"https://{registry.host}/v2/", PASSWORD)
    await docker_registry_secret(kubectl, "wrong", registry.host, "not-this-one")
    await kubectl.apply(
        manifest(
            pulled("tag", image, "wrong", "right"),
            pulled("digest", registry.image("team/app", digest=digest), "right", policy="Always"),
            pulled("both", registry.image("team/app", "1", digest), "right"),
            pulled("no-tag", registry.image("team/app", "2"), "right"),
            # The policy Always asks with these pods' own credentials, whoever has pulled the image before.
            pulled("nobody", image, policy="Always"),
            pulled("stranger", image, "wrong", policy="Always"),
        )
    )
    await until_ready(kubectl, "tag", "digest", "both")
    for name in ("tag", "digest", "both"):
        container = (await status(kubectl, name))["containerStatuses"][0]
        assert container["imageID"] == f"docker-pullable://{registry.image('team/app', digest=digest)}"
    for name, said in (("nobody", "no basic auth credentials"), ("stranger", "unauthorized"), ("no-tag", "manifest unknown")):
        waiting = await until_reason(kubectl, name, "ImagePullBackOff")
        assert waiting["message"].startswith(f'Back-off pulling image "{registry.host}/team/app:'), waiting
        assert said in waiting["message"], waiting
    described = await kubectl("describe", "pod", "stranger")
    for text in (
        f'Pulling image "{image}"',
        f'Failed to pull image "{image}": ',
        "Error: ErrImagePull",
        "Error: ImagePullBackOff",
    ):
        assert text in described, described
    assert "not-this-one" not in cluster.nodes["one"].agent.tail(2000)

    # It goes on by itself once the tag is there and once the secret is right.
    await registry.push("team/app", "2")
    config = {"auths": {registry.host: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
    await kubectl("patch", "secret", "wrong", "-p", json.dumps({"data": data}))
    await kubectl("wait", "--for=condition=Ready", "--timeout=40s", "pod/no-tag", "pod/stranger")
    await kubectl("delete", "pods", "--all", "--wait=false")


async def test_the_node_shows_its_images(kubectl: Kubectl, cluster: Cluster) -> None:
    images = (await kubectl.json("get", "node", "one"))["status"]["images"]
    named = {name: image["sizeBytes"] for image in images for name in image["names"]}
    assert named[IMAGE] > 1_000_000
    assert len(images) <= 50
    runtime = (await kubectl.json("get", "node", "one"))["status"]["nodeInfo"]["containerRuntimeVersion"]
    version = (await cluster.nodes["one"].host.docker("version", "-f", "{{.Server.Version}}")).stdout.strip()
    assert runtime == f"docker://{version}"


async def _prune(cluster: Cluster) -> None:
    """Remove every image that no container uses, as people and their timers do; then bring back the tests' own."""
    host = cluster.nodes["one"].host
    await host.docker("image", "prune", "-af")
    await host.load_image(busybox_archive(IMAGE))


async def test_pods_outlive_and_follow_a_prune_of_all_images(kubectl: Kubectl, cluster: Cluster) -> None:
    host = cluster.nodes["one"].host
    await kubectl.apply(manifest(pod("before", sh(FOREVER))))
    await until_ready(kubectl, "before")
    await _prune(cluster)
    await kubectl.apply(manifest(pod("beside", sh(FOREVER))))
    await until_ready(kubectl, "beside")
    await kubectl("delete", "pods", "--all", "--now")

    async def pruned() -> None:
        # Nothing runs any more: the sandbox's image goes as well.
        await _prune(cluster)
        assert "wherry/pause" not in (await host.docker("images")).stdout

    await eventually(pruned, seconds=20)
    await kubectl.apply(manifest(pod("after", sh(FOREVER))))
    await until_ready(kubectl, "after")
    assert "wherry/pause" in (await host.docker("images")).stdout
    await kubectl("delete", "pod", "after", "--wait=false")


async def test_logs_are_rotated_and_followed_through_it(kubectl: Kubectl, cluster: Cluster) -> None:
    script = (
        f"sleep 2; i=0; while [ $i -lt {LINES} ]; do echo line $i of a log that is rotated while it is followed; i=$((i+1)); "
        "[ $((i % 100)) = 0 ] && sleep 0.1; done; true"
    )
    await kubectl.apply(
        manifest(
            pod("talks", sh(script), restartPolicy="Never"),
            pod("again", sh("echo run; exit 1")),
            pod("done", sh("echo first; sleep 2; echo second; echo end"), restartPolicy="Never"),
        )
    )
    await until_phase(kubectl, "talks", "Running")
    # Ends with the container.
    lines = (await kubectl("logs", "-f", "talks")).splitlines()
    assert lines == [f"line {number} of a log that is rotated while it is followed" for number in range(LINES)]
    # On the disk are the newest only; what is shown is in order and ends with the last line.
    kept = await log_of(kubectl, "talks")
    assert 200 < len(kept) < LINES
    assert kept == lines[-len(kept) :]
    assert await log_of(kubectl, "talks", "--tail=700") == lines[-700:]
    cut = await kubectl("logs", "talks", "--limit-bytes=100")
    assert len(cut) == 100
    stamped = await log_of(kubectl, "talks", "--tail=1", "--timestamps")
    moment, _, line = stamped[0].partition(" ")
    assert line == lines[-1]
    written = datetime.fromisoformat(moment)
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=2)
    assert await log_of(kubectl, "talks", f"--since-time={(written + timedelta(seconds=1)).isoformat()}") == []
    assert await log_of(kubectl, "talks", "--since=1h", "--tail=2") == lines[-2:]

    host = cluster.nodes["one"].host
    container = (await status(kubectl, "talks"))["containerStatuses"][0]["containerID"].removeprefix("docker://")
    path = Path((await host.docker("inspect", "-f", "{{.LogPath}}", container)).stdout.strip())
    files = await asyncio.to_thread(lambda: list(path.parent.glob(path.name + "*")))
    assert len(files) == 3
    assert sum(file.stat().st_size for file in files) < 310_000

    await until_restarted(kubectl, "again")
    assert await log_of(kubectl, "again", "--previous") == ["run"]
    # A container that is done is read as before; a previous one that there never was is refused.
    await kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s", "pod/done")
    assert await log_of(kubectl, "done") == ["first", "second", "end"]
    refused = await kubectl.run("logs", "done", "--previous")
    assert 'previous terminated container "main" in pod "done" not found' in refused.stderr
    # The log of a container that somebody removed is gone, and says so.
    gone = (await status(kubectl, "done"))["containerStatuses"][0]["containerID"].removeprefix("docker://")
    await host.docker("rm", gone)

    async def told() -> None:
        answer = await kubectl.run("logs", "done")
        assert answer.returncode != 0
        assert answer.stderr.startswith(("Error from server", "unable to retrieve container logs")), answer.stderr

    await eventually(told, seconds=10)
    await kubectl("delete", "pods", "--all", "--wait=false")
