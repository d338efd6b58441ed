"""Programs written for Kubernetes run as pods: the official Python client with its service account, inside a pod.

There is no registry here, so the pod's Python is the test's own: its prefix, the system's libraries and the packages' folder
are mounted from the host, read-only, into the busybox image.
"""

import base64
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.manifests import manifest

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

Json = dict[str, Any]
IMAGE = "wherry-test/app:1"
#: Seconds after which each pod's token is replaced in these tests.
MAX_AGE = 8.0
MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

#: Asks as in-cluster programs do, once a second, and says what it got in one line of JSON.
CLIENT = """
import base64, json, ssl, sys, time, urllib.request
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

def code(call, *arguments):
    try:
        return [item.metadata.name for item in call(*arguments).items]
    except ApiException as error:
        return error.status

def claims():
    body = open(MOUNT + "/token").read().split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))

def by_name():
    context = ssl.create_default_context(cafile=MOUNT + "/ca.crt")
    with urllib.request.urlopen("https://kubernetes.default.svc/version", context=context) as answer:
        return answer.status

def say():
    config.load_incluster_config()
    core = client.CoreV1Api()
    return {
        "pods": code(core.list_namespaced_pod, "default"),
        "secrets": code(core.list_namespaced_secret, "default"),
        "nodes": code(core.list_node),
        "elsewhere": code(core.list_namespaced_pod, "kube-system"),
        "namespace": open(MOUNT + "/namespace").read(),
        "by name": by_name(),
        "claims": claims(),
        "user": client.AuthenticationV1Api().create_self_subject_review({}).status.user_info.username,
    }

while True:
    try:
        print(json.dumps(say()), flush=True)
    except OSError as error:  # the master restarts
        print(error, flush=True)
    except Exception as error:
        if "HTTPSConnectionPool" not in str(error):
            raise
    time.sleep(1)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(("one",), master_settings={"pod_token_max_age_seconds": MAX_AGE}) as made:
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


def python_container(script: str) -> tuple[Json, list[Json]]:
    """A container that runs a script with this test's Python, and the volumes that it needs."""
    packages = Path(kubernetes.__file__).parent.parent
    folders = [Path("/usr"), Path("/lib"), Path("/lib64"), Path(sys.base_prefix), packages]
    needed: list[Path] = []
    for folder in folders:
        if folder.exists() and not any(folder.is_relative_to(known) for known in needed):
            needed.append(folder)
    volumes = [{"name": f"host-{number}", "hostPath": {"path": str(path)}} for number, path in enumerate(needed)]
    mounts = [{"name": f"host-{number}", "mountPath": str(path), "readOnly": True} for number, path in enumerate(needed)]
    program = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": [str(program), "-c", f"MOUNT = {MOUNT!r}\n{script}"],
        "env": [{"name": "PYTHONPATH", "value": str(packages)}],
        "volumeMounts": mounts,
    }
    return container, volumes


def pod(name: str, container: Json, volumes: list[Json], **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1, **spec},
    }


async def last_said(kubectl: Kubectl, name: str) -> Json:
    async def check() -> Json:
        lines = (await kubectl("logs", name, "--tail=1", check=False)).splitlines()
        assert lines, await kubectl("get", "pod", name, "-o", "jsonpath={.status}")
        assert lines[-1].startswith("{"), await kubectl("logs", name, "--tail=30")
        found: Json = json.loads(lines[-1])
        return found

    return await eventually(check, seconds=40)


async def test_the_official_client_does_in_a_pod_what_its_roles_allow(cluster: Cluster, kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "reader")
    await kubectl("create", "rolebinding", "reader", "--clusterrole=view", "--serviceaccount=default:reader")
    container, volumes = python_container(CLIENT)
    await kubectl.apply(manifest(pod("client", container, volumes, serviceAccountName="reader")))
    said = await last_said(kubectl, "client")
    claims = said.pop("claims")
    assert said == {
        "pods": ["client"],
        "secrets": 403,
        "nodes": 403,
        "elsewhere": 403,
        "namespace": "default",
        "by name": 200,
        "user": "system:serviceaccount:default:reader",
    }
    inside = claims["kubernetes.io"]
    assert (inside["pod"]["name"], inside["node"]["name"], inside["serviceaccount"]["name"]) == ("client", "one", "reader")

    await _rotates(cluster, kubectl, claims)
    await kubectl("delete", "rolebinding", "reader")

    async def refused() -> None:
        assert (await last_said(kubectl, "client"))["pods"] == 403

    await eventually(refused, seconds=10)


async def _rotates(cluster: Cluster, kubectl: Kubectl, before: Json) -> None:
    """The token is replaced in the running container, and goes on being so after the agent and the master restart."""
    containers = await cluster.nodes["one"].containers()

    async def replaced(since: int) -> Json:
        async def check() -> Json:
            said = await last_said(kubectl, "client")
            assert said["claims"]["iat"] > since
            assert said["pods"] == ["client"]
            found: Json = said["claims"]
            return found

        return await eventually(check, seconds=3 * MAX_AGE)

    second = await replaced(before["iat"])
    assert second["jti"] != before["jti"]
    await cluster.nodes["one"].agent.restart()
    await cluster.master.restart()
    await cluster.api_ready()
    await replaced(second["iat"])
    assert await cluster.nodes["one"].containers() == containers


async def test_tokens_for_others_come_beside_the_api_s_and_are_the_pod_s_user_s_alone(kubectl: Kubectl) -> None:
    sources = [
        {"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 600}},
        {"serviceAccountToken": {"path": "api", "expirationSeconds": 7200}},
    ]
    script = "stat -c '%a %u' -L /tokens/vault; cut -d. -f2 /tokens/vault; cut -d. -f2 /tokens/api; sleep 1000"
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", script],
        "securityContext": {"runAsUser": 1234},
        "volumeMounts": [{"name": "tokens", "mountPath": "/tokens"}],
    }
    volume = {"name": "tokens", "projected": {"sources": sources}}
    await kubectl.apply(manifest(pod("several", container, [volume], automountServiceAccountToken=False)))

    async def lines() -> list[str]:
        found = (await kubectl("logs", "several", check=False)).splitlines()
        assert len(found) == 3, await kubectl("describe", "pod", "several")
        return found

    mode, vault, api = await eventually(lines, seconds=30)
    assert mode == "600 1234"
    assert _decoded(vault)["aud"] == ["vault"]
    assert _decoded(api)["aud"] == ["https://kubernetes.default.svc.cluster.local"]
    assert _decoded(api)["exp"] - _decoded(api)["iat"] == 7200
    assert await kubectl("get", "pod", "several", "-o", "jsonpath={.spec.volumes[*].name}") == "tokens"


def _decoded(part: str) -> Json:
    found: Json = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
