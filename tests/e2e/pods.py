"""Pods for tests through kubectl: their manifests, and waits for what becomes of them."""

from typing import Any

from tests.cluster import Kubectl, eventually

Json = dict[str, Any]
IMAGE = "wherry-test/app:1"


def sh(script: str, name: str = "main", **container: Any) -> Json:
    """A container that runs a script."""
    command = ["sh", "-c", script]
    return {"name": name, "image": IMAGE, "imagePullPolicy": "Never", "command": command, **container}


#: Runs until it is told to end, and then ends at once.
FOREVER = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"


def pod(name: str, *containers: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"test": name}, "annotations": {"note": "written"}},
        "spec": {"containers": list(containers), "terminationGracePeriodSeconds": 1, **spec},
    }


async def status(kubectl: Kubectl, name: str) -> Json:
    found: Json = (await kubectl.json("get", "pod", name))["status"]
    return found


async def until_phase(kubectl: Kubectl, name: str, *phases: str, seconds: float = 20) -> Json:
    async def check() -> Json:
        found = await status(kubectl, name)
        assert found["phase"] in phases, found
        return found

    return await eventually(check, seconds=seconds)


async def until_ready(kubectl: Kubectl, *names: str) -> None:
    await kubectl("wait", "--for=condition=Ready", "--timeout=20s", *(f"pod/{name}" for name in names))


async def until_reason(kubectl: Kubectl, name: str, *reasons: str, seconds: float = 20) -> Json:
    """The container's waiting state, once it has one of these reasons."""

    async def check() -> Json:
        waiting: Json = (await status(kubectl, name))["containerStatuses"][0]["state"].get("waiting", {})
        assert waiting.get("reason") in reasons, waiting
        return waiting

    return await eventually(check, seconds=seconds)


async def until_restarted(kubectl: Kubectl, *names: str) -> list[Json]:
    """The first container's status of each, once it has been restarted."""

    async def check(name: str) -> Json:
        container: Json = (await status(kubectl, name))["containerStatuses"][0]
        assert container["restartCount"] >= 1, container
        return container

    return [await eventually(lambda name=name: check(name), seconds=20) for name in names]  # type: ignore[misc]


async def log_of(kubectl: Kubectl, name: str, *argv: str) -> list[str]:
    return (await kubectl("logs", name, *argv)).splitlines()


async def run_in(kubectl: Kubectl, name: str, script: str, *argv: str) -> str:
    return (await kubectl("exec", name, *argv, "--", "sh", "-c", script)).strip()
