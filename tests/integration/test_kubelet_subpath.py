"""subPath on real containers, while another container of the pod does its worst to the volume."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.volumes.mounts import mounts_below
from tests.integration.kubelet_node import Json, Node, kubelet_node

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.timeout(120)]

CANARY = "canary-of-the-host"
STARTS = 6


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet") as made:
        yield made


async def test_a_folder_that_becomes_a_link_over_and_over_never_leads_to_the_host(node: Node, tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (host / "secret").write_text(CANARY)
    # Never deletes the folder: what is deleted cannot be mounted at all. One that was made for the subPath meanwhile stays.
    attack = (
        f"cd /v; mkdir d; ln -s {host} link; while :; do "
        "i=$((i+1)); mv -T d a$i; mv -T link d; mv -T d link; [ -e d ] || mv -T a$i d; done 2>/dev/null"
    )
    whole: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    part: Json = {"volumeMounts": [{"name": "v", "mountPath": "/part", "subPath": "d"}]}
    probe = "test -e /part/secret && echo LEAK > /part/leaked; echo written > /part/from-a-pod; exit 0"
    manifest = node.pod(
        "race",
        {"command": ["/bin/true"]},
        volumes=[{"name": "v", "emptyDir": {}}],
        restartPolicy="OnFailure",
        initContainers=[
            {
                "name": "attacker",
                "image": node.image,
                "command": ["/bin/sh", "-c", attack],
                "restartPolicy": "Always",
                **whole,
            },
            *(
                {"name": f"victim-{number}", "image": node.image, "command": ["/bin/sh", "-c", probe], **part}
                for number in range(STARTS)
            ),
        ],
    )
    node.order(manifest)

    def over() -> bool:
        return node.reports.last("race").get("phase") in ("Succeeded", "Failed")

    async with asyncio.timeout(100):
        while not over():
            # What was refused is tried again when an object changes: the race goes on without the waits between.
            node.config_map("poke", {})
            await asyncio.sleep(0.2)
    status = node.reports.last("race")
    assert status["phase"] == "Succeeded", status
    assert sorted(one.name for one in host.iterdir()) == ["secret"]
    refused = [one for one in node.reports.messages("race", "Failed") if "failed to prepare subPath" in one]
    assert all(str(host) not in one and str(tmp_path) not in one for one in refused), refused
    node.remove(manifest)
    await node.until(lambda: "race" in node.reports.terminated)
    assert not mounts_below(node.root / "pods")
    assert (host / "secret").read_text() == CANARY


async def test_files_expressions_and_read_only_parts(node: Node) -> None:
    node.config_map("settings", {"one": "first", "two": "second"})
    parts = [
        {"name": "config", "mountPath": "/etc/one", "subPath": "one"},
        {"name": "data", "mountPath": "/logs", "subPathExpr": "$(NAME)/logs"},
        {"name": "data", "mountPath": "/logs-read", "subPathExpr": "$(NAME)/logs", "readOnly": True},
        {"name": "data", "mountPath": "/all"},
    ]
    script = (
        "exec 2>&1; "
        "cat /etc/one; echo; touch /logs/made; ls /logs-read /all/parts; touch /logs-read/x; touch /etc/one; touch /config/x; "
        "exec sleep 3600"
    )
    env = [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    volumes = [{"name": "config", "configMap": {"name": "settings"}}, {"name": "data", "emptyDir": {}}]
    manifest = node.pod("parts", {"command": ["/bin/sh", "-c", script], "env": env, "volumeMounts": parts}, volumes=volumes)
    wrong: dict[str, tuple[Json, str]] = {
        "no-value": ({"subPathExpr": "$(ABSENT)/x"}, "missing value for ABSENT"),
        "absolute": (
            {"subPathExpr": "$(ROOT)", "env": "/etc"},
            "error SubPath `/etc` must not be an absolute path",
        ),
        "outside": (
            {"subPathExpr": "a/$(ROOT)", "env": "../.."},
            "unable to provision SubPath `a/../..`: must not contain '..'",
        ),
        "recursive": (
            {"readOnly": True, "recursiveReadOnly": "Enabled"},
            'failed to resolve recursive read-only mode: volume "data" requested recursive read-only mode, but it is not '
            "supported by the runtime",
        ),
    }
    node.order(manifest)
    for name, (mount, _) in wrong.items():
        value = mount.pop("env", "")
        mounts = [{"name": "data", "mountPath": "/d", **mount}]
        env = [{"name": "ROOT", "value": value}]
        node.order(node.pod(name, {"command": ["/bin/true"], "env": env, "volumeMounts": mounts}, volumes=volumes))
    await node.until_ready("parts")

    async def said() -> str:
        output, _, _ = await node.stream("logs", manifest)
        return output.decode()

    while "config/x" not in (text := await said()):
        await asyncio.sleep(0.1)
    assert text.startswith("first\n")
    assert "/all/parts:\nlogs" in text
    assert text.count("made") == 1
    for refused in ("/logs-read/x", "/etc/one"):
        assert f"touch: {refused}: Read-only file system" in text
    for name, (_, why) in wrong.items():
        await node.until(
            lambda name=name, why=why: (
                {"reason": "CreateContainerConfigError", "message": why}  # type: ignore[misc]
                == node.reports.last(name).get("containerStatuses", [{}])[0].get("state", {}).get("waiting")
            )
        )


async def test_what_a_container_mounts_reaches_the_others_only_as_far_as_they_ask(node: Node) -> None:
    mount = {"name": "v", "mountPath": "/v"}

    def sees(propagation: str, **more: object) -> Json:
        return {"command": ["/bin/sleep", "3600"], "volumeMounts": [mount | {"mountPropagation": propagation}], **more}

    # The API gives Bidirectional to privileged containers only; what a mount takes of that is this capability.
    able = {"capabilities": {"add": ["SYS_ADMIN"]}, "seccompProfile": {"type": "Unconfined"}}
    manifest = node.pod(
        "spreads",
        sees("Bidirectional", securityContext=able),
        sees("HostToContainer"),
        sees("None"),
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    node.order(manifest)
    await node.until_ready("spreads")
    script = "mkdir /v/m && mount -t tmpfs tmpfs /v/m && echo inside > /v/m/file; echo $?"
    output, _, _ = await node.stream("exec", manifest, container="c0", command=["sh", "-c", script])
    assert output == b"0\n"
    output, _, _ = await node.stream("exec", manifest, container="c1", command=["cat", "/v/m/file"])
    assert output == b"inside\n"
    output, _, _ = await node.stream("exec", manifest, container="c2", command=["ls", "/v/m"])
    assert output == b""
    node.remove(manifest)
    await node.until(lambda: "spreads" in node.reports.terminated)
    assert not mounts_below(node.root / "pods")
