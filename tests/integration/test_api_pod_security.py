"""Pod Security Standards, as kubectl's users meet them: refusals, warnings, and namespaces that get stricter."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api_world import ApiWorld, api_world

VERSIONS = ("1.27", "1.30", "1.33")
VIOLATIONS = (
    'allowPrivilegeEscalation != false (container "{0}" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "{0}" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "{0}" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "{0}" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.mark.parametrize("version", VERSIONS)
async def test_pods_are_refused_and_workloads_warned_of(world: ApiWorld, version: str) -> None:
    await world.ok("create", "namespace", "strict", version=version)
    await world.ok("label", "ns", "strict", "pod-security.kubernetes.io/enforce=restricted", version=version)
    refused = await world.kubectl("run", "p", "--image=b", "-n", "strict", version=version)
    assert refused.err == (
        'Error from server (Forbidden): pods "p" is forbidden: violates PodSecurity "restricted:latest": '
        f"{VIOLATIONS.format('p')}\n"
    )
    made = await world.kubectl("create", "deployment", "d", "--image=b", "-n", "strict", version=version)
    assert made.code == 0
    assert made.err == f'Warning: would violate PodSecurity "restricted:latest": {VIOLATIONS.format("b")}\n'
    warned = await world.kubectl(
        "label", "ns", "default", "pod-security.kubernetes.io/warn=baseline", "pod-security.kubernetes.io/warn-version=v1.30",
        version=version,
    )  # fmt: skip
    assert warned.code == 0
    run = await world.kubectl("run", "p", "--image=b", "--privileged", version=version)
    assert run.code == 0
    assert run.err == (
        'Warning: would violate PodSecurity "baseline:v1.30": privileged (container "p" must not set '
        "securityContext.privileged=true)\n"
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_namespace_that_gets_stricter_is_told_of_its_pods(world: ApiWorld, version: str) -> None:
    await world.ok("run", "p", "--image=b", "--privileged", version=version)
    labelled = await world.kubectl("label", "ns", "default", "pod-security.kubernetes.io/enforce=baseline", version=version)
    assert labelled.err.splitlines() == [
        'Warning: existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
        "Warning: p: privileged",
    ]
    senseless = await world.kubectl(
        "label", "ns", "default", "--overwrite", "pod-security.kubernetes.io/enforce=strict", version=version
    )
    assert "must be one of privileged, baseline, restricted" in senseless.err
