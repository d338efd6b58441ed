"""PodSecurity: each rule of the standards, versions, and what is enforced, warned of and checked for namespaces."""

from typing import Any

import pytest
from msgspec.structs import replace

from master.api.admission.plugins.pod_security import PodSecurity
from master.api.admission.pod_security.evaluator import details, violations
from master.api.admission.pod_security.policy import LATEST, LevelVersion, policy_of
from master.client.errors import StatusError
from tests.unit.master.api.admission.stored import Stored, request

Json = dict[str, Any]
SAFE: Json = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(context: Json | None = None, *, safe: bool = True, **spec: Any) -> Json:
    own = {**(SAFE if safe else {}), **(context or {})}
    container = {"name": "c", "image": "i", "securityContext": own} if own else {"name": "c", "image": "i"}
    return {"metadata": {"name": "x"}, "spec": {"containers": [container], **spec}}


def found(level: str, obj: Json, minor: int = LATEST) -> str:
    return details(violations(LevelVersion(level, minor), obj["metadata"], obj["spec"]))


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod(safe=False), ""),
        (pod(hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
        (pod({"privileged": True}), 'privileged (container "c" must not set securityContext.privileged=true)'),
        (
            pod({"capabilities": {"add": ["NET_ADMIN", "CHOWN", "BPF"]}}),
            'non-default capabilities (container "c" must not include "BPF", "NET_ADMIN" in securityContext.capabilities.add)',
        ),
        (pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
        (
            {
                "metadata": {},
                "spec": {
                    "containers": [{"name": "a", "ports": [{"hostPort": 80}]}, {"name": "b", "ports": [{"hostPort": 443}]}]
                },
            },
            'hostPort (containers "a", "b" use hostPorts 443, 80)',
        ),
        (pod({"procMount": "Unmasked"}), 'procMount (container "c" must not set securityContext.procMount to "Unmasked")'),
        (
            pod(securityContext={"seLinuxOptions": {"type": "spc_t", "user": "u"}}),
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)',
        ),
        (
            pod({"seccompProfile": {"type": "Unconfined"}}, securityContext={"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (pod(securityContext={"sysctls": [{"name": "kernel.msgmax"}]}), "forbidden sysctls (kernel.msgmax)"),
        (
            pod({"windowsOptions": {"hostProcess": True}}),
            'hostProcess (container "c" must not set securityContext.windowsOptions.hostProcess=true)',
        ),
        (
            pod({"appArmorProfile": {"type": "Unconfined"}}),
            'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
        ),
        (
            {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}}, "spec": {}},
            "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
            '"container.apparmor.security.beta.kubernetes.io/c="unconfined"")',
        ),
    ],
)
def test_what_baseline_forbids(obj: Json, expected: str) -> None:
    assert found("baseline", obj) == expected
    assert found("privileged", obj) == ""


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod(), ""),
        (
            pod(safe=False),
            'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
            'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
            'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
            'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
            '"Localhost")',
        ),
        (
            pod({"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CHOWN"]}}),
            'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)',
        ),
        (
            pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "s", "secret": {}}]),
            'restricted volume types (volume "v" uses restricted volume type "hostPath")',
        ),
        (
            pod({"runAsNonRoot": False}),
            'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
        ),
        (
            pod({"runAsUser": 0}, securityContext={"runAsUser": 0}),
            'runAsUser=0 (pod and container "c" must not set runAsUser=0)',
        ),
        (
            pod({"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (pod({"privileged": True}), 'privileged (container "c" must not set securityContext.privileged=true)'),
    ],
)  # fmt: skip
def test_what_restricted_forbids(obj: Json, expected: str) -> None:
    assert found("restricted", obj) == expected


@pytest.mark.parametrize(
    ("level", "minor", "obj", "forbidden"),
    [
        ("baseline", 26, pod(securityContext={"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports"}]}), True),
        ("baseline", 27, pod(securityContext={"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports"}]}), False),
        ("baseline", 31, pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}), True),
        ("baseline", 32, pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}), False),
        ("baseline", 30, pod(securityContext={"seLinuxOptions": {"type": "container_engine_t"}}), True),
        ("baseline", 31, pod(securityContext={"seLinuxOptions": {"type": "container_engine_t"}}), False),
        ("restricted", 22, pod({"runAsUser": 0}), False),
        ("restricted", 23, pod({"runAsUser": 0}), True),
        ("restricted", 7, pod({"allowPrivilegeEscalation": True}), False),
        ("restricted", 8, pod({"allowPrivilegeEscalation": True}), True),
        ("restricted", 24, pod({"allowPrivilegeEscalation": True}, os={"name": "windows"}), True),
        ("restricted", 25, pod({"allowPrivilegeEscalation": True}, os={"name": "windows"}), False),
        ("restricted", 18, pod({"seccompProfile": {"type": "Unconfined"}}), False),
    ],
)
def test_rules_follow_the_version(level: str, minor: int, obj: Json, *, forbidden: bool) -> None:
    assert bool(found(level, obj, minor)) == forbidden


def labels(**modes: str) -> Json:
    return {f"pod-security.kubernetes.io/{mode.replace('_', '-')}": value for mode, value in modes.items()}


def test_labels_are_read_with_their_versions() -> None:
    policy, causes = policy_of(labels(enforce="baseline", enforce_version="v1.25", audit="restricted"))
    assert causes == []
    # Who enforces is warned of the same.
    assert (str(policy.enforce), str(policy.audit), str(policy.warn)) == (
        "baseline:v1.25", "restricted:latest", "baseline:v1.25",
    )  # fmt: skip
    assert policy_of(labels(enforce="restricted", warn="privileged"))[0].warn.level == "privileged"
    assert policy_of(None)[0].only_privileged


def test_labels_that_make_no_sense_fail_closed_for_enforce_only() -> None:
    policy, causes = policy_of(labels(enforce="x", warn="y", audit_version="1.25"))
    assert (policy.enforce.level, policy.warn.level, policy.audit) == ("restricted", "privileged", LevelVersion())
    prefix = "metadata.labels[pod-security.kubernetes.io/"
    assert [f"{cause.field}: {cause.message}".removeprefix(prefix) for cause in causes] == [
        'enforce]: Invalid value: "x": must be one of privileged, baseline, restricted',
        'audit-version]: Invalid value: "1.25": must be "latest" or "v1.x"',
        'warn]: Invalid value: "y": must be one of privileged, baseline, restricted',
    ]


def namespace(**modes: str) -> Json:
    return {"metadata": {"name": "a", "labels": labels(**modes)}}


async def asked(modes: dict[str, str], obj: Json, plural: str = "pods", group: str = "", **fields: Any) -> list[str]:
    """The warnings."""
    warnings: list[str] = []
    plugin = PodSecurity(Stored(namespaces=[namespace(**modes)]))
    await plugin.validate(replace(request(plural, group=group, **fields), warn=warnings.append), obj)
    return warnings


async def test_a_pod_that_violates_the_enforced_level_is_refused_without_warnings() -> None:
    with pytest.raises(StatusError) as caught:
        await asked({"enforce": "baseline", "warn": "restricted"}, pod({"privileged": True}))
    assert (caught.value.code, caught.value.message) == (
        403,
        'pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged (container "c" must not set '
        "securityContext.privileged=true)",
    )


async def test_a_pod_that_violates_the_warned_level_is_warned_of() -> None:
    (warning,) = await asked({"enforce": "baseline", "warn": "restricted", "warn_version": "v1.28"}, pod(safe=False))
    assert warning.startswith('would violate PodSecurity "restricted:v1.28": allowPrivilegeEscalation != false (')
    assert await asked({"enforce": "privileged"}, pod({"privileged": True})) == []
    assert await asked({"enforce": "restricted"}, pod()) == []


@pytest.mark.parametrize(
    ("group", "plural", "wrap"),
    [
        ("", "replicationcontrollers", lambda template: {"spec": {"template": template}}),
        ("apps", "deployments", lambda template: {"spec": {"template": template}}),
        ("batch", "cronjobs", lambda template: {"spec": {"jobTemplate": {"spec": {"template": template}}}}),
        ("", "podtemplates", lambda template: {"template": template}),
    ],
)
async def test_workloads_are_never_refused_but_warned_of(group: str, plural: str, wrap: Any) -> None:
    (warning,) = await asked({"enforce": "restricted"}, wrap(pod({"privileged": True})), plural, group)
    assert warning.startswith('would violate PodSecurity "restricted:latest": privileged (container "c"')
    assert await asked({"enforce": "restricted"}, wrap(None), plural, group) == []


async def test_an_update_of_a_pod_is_looked_at_when_it_brings_an_image_or_an_ephemeral_container() -> None:
    modes, bad = {"enforce": "baseline"}, pod({"privileged": True})
    assert await asked(modes, bad, operation="UPDATE", old=bad) == []
    newer = pod({"privileged": True})
    newer["spec"]["containers"][0]["image"] = "other"
    with pytest.raises(StatusError, match="violates PodSecurity"):
        await asked(modes, newer, operation="UPDATE", old=bad)
    debugged = pod(ephemeralContainers=[{"name": "d", "securityContext": {"privileged": True}}])
    with pytest.raises(StatusError, match='container "d"'):
        await asked(modes, debugged, operation="UPDATE", old=pod(), subresource="ephemeralcontainers")
    assert await asked(modes, bad, subresource="exec") == []


async def test_a_namespace_with_senseless_labels_is_refused() -> None:
    plugin = PodSecurity(Stored())
    with pytest.raises(StatusError) as caught:
        await plugin.validate(request("namespaces", namespace="", name="a"), namespace(enforce="strict"))
    assert caught.value.code == 422
    assert "must be one of privileged, baseline, restricted" in caught.value.message
    old = namespace(enforce="strict")
    await plugin.validate(
        request("namespaces", namespace="", name="a", operation="UPDATE", old=old), namespace(enforce="strict")
    )


async def test_a_namespace_that_gets_stricter_is_told_of_its_pods() -> None:
    def there(name: str, context: Json | None = None) -> Json:
        obj = pod(context)
        obj["metadata"] = {"name": name, "namespace": "a"}
        return obj

    pods = [there("p2", {"privileged": True}), there("p1", {"privileged": True}), there("ok"), there("q", {"procMount": "X"})]
    plugin = PodSecurity(Stored(pods=pods))
    warnings: list[str] = []

    async def changed(old: Json, new: Json) -> list[str]:
        warnings.clear()
        asked = request("namespaces", namespace="", name="a", operation="UPDATE", old=old)
        await plugin.validate(replace(asked, warn=warnings.append), new)
        return list(warnings)

    assert await changed(namespace(), namespace(enforce="baseline")) == [
        'existing pods in namespace "a" violate the new PodSecurity enforce level "baseline:latest"',
        "p1 (and 1 other pod): privileged",
        "q: procMount",
    ]
    assert await changed(namespace(enforce="restricted"), namespace(enforce="baseline")) == []
    assert await changed(namespace(enforce="baseline"), namespace(enforce="baseline", warn="restricted")) == []
