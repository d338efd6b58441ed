"""Security contexts, limits and runtime classes in the engine's words."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from lightkube.models.core_v1 import Pod
from lightkube.resources.node_v1 import RuntimeClass

from agent.kubelet.admission.app_armor import app_armor_profile
from agent.kubelet.admission.sysctls import normalized
from agent.kubelet.pod.environment import InvalidContainer
from agent.kubelet.pod.resources import pids_limit
from agent.kubelet.pod.sandbox import sandbox_problem
from agent.kubelet.pod.security import security
from agent.kubelet.pods import containers
from agent.kubelet.runtime_class import NoRuntime, runtime_handler
from agent.runtime.docker_config import container_config
from agent.runtime.spec import ContainerSpec, DeviceRequest, Image, Security
from agent.settings.kubelet import KubeletSettings, ReservedSettings
from tests.unit.agent.kubelet.pod_world import pod

IMAGE = Image("sha256:1", (), (), 1)


def of(subject: Pod, image: Image = IMAGE) -> Security:
    return security(subject, containers(subject)[0], image, seccomp_root=Path("/nowhere"))


def context(**fields: Any) -> dict[str, Any]:
    return {"securityContext": fields}


def test_the_containers_context_goes_before_the_pods() -> None:
    shared = {"runAsUser": 1, "runAsGroup": 2, "seLinuxOptions": {"level": "s0"}, "appArmorProfile": {"type": "Unconfined"}}
    own = context(runAsUser=3, seLinuxOptions={"type": "t", "user": "u"})
    found = of(pod(own, securityContext=shared))
    assert (found.user, found.se_linux, found.app_armor) == ("3:2", ("user:u", "type:t"), "unconfined")


@pytest.mark.parametrize(
    ("own", "user", "message"),
    [
        ({"runAsUser": 0}, "", "container's runAsUser breaks non-root policy"),
        ({}, "", "container has runAsNonRoot and image will run as root"),
        ({}, "0:5", "container has runAsNonRoot and image will run as root"),
        ({}, "web", "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root"),
    ],
)
def test_a_container_that_must_not_be_root_is_refused_in_kubelets_words(own: dict[str, Any], user: str, message: str) -> None:
    subject = pod(context(runAsNonRoot=True, **own))
    with pytest.raises(InvalidContainer) as caught:
        of(subject, Image("sha256:1", (), (), 1, user=user))
    assert str(caught.value) == f'{message} (pod: "web_default(u1)", container: c0)'


def test_a_container_that_is_not_root_runs() -> None:
    assert of(pod(context(runAsNonRoot=True)), Image("sha256:1", (), (), 1, user="7")).user == ""


def test_a_missing_seccomp_profile_has_the_runtimes_reason() -> None:
    profile = {"type": "Localhost", "localhostProfile": "../../etc/passwd"}
    with pytest.raises(InvalidContainer) as caught:
        of(pod(context(seccompProfile=profile)))
    assert caught.value.reason == "CreateContainerError"
    assert str(caught.value).endswith("open /etc/passwd: no such file or directory")


@pytest.mark.parametrize(
    ("value", "profile"),
    [("runtime/default", "RuntimeDefault"), ("unconfined", "Unconfined"), ("localhost/mine", "Localhost"), ("", None)],
)
def test_the_old_annotation_still_names_an_app_armor_profile(value: str, profile: str | None) -> None:
    subject = pod()
    assert subject.metadata is not None
    subject.metadata.annotations = {"container.apparmor.security.beta.kubernetes.io/c0": value}
    found = app_armor_profile(subject, containers(subject)[0])
    assert (found.type if found is not None else None) == profile


def test_docker_is_asked_for_all_of_it() -> None:
    config = container_config(
        ContainerSpec(
            name="c", image="i", labels={}, sandbox_id="s", runtime="kata",
            security=Security(app_armor="mine", se_linux=("level:s0",), no_new_privileges=True),
            device_requests=(DeviceRequest("nvidia", ("0",), ("gpu",)),),
        )
    )  # fmt: skip
    host = config["HostConfig"]
    assert host["SecurityOpt"] == ["no-new-privileges", "apparmor=mine", "label=level:s0"]
    assert host["DeviceRequests"] == [{"Driver": "nvidia", "DeviceIDs": ["0"], "Capabilities": [["gpu"]]}]
    assert host["Runtime"] == "kata"


def test_a_runtime_class_names_one_of_the_engines_runtimes() -> None:
    classes = {
        "plain": msgspec.convert({"handler": "runc"}, RuntimeClass),
        "deep": msgspec.convert({"handler": "kata"}, RuntimeClass),
    }
    assert runtime_handler(pod(), classes, runtimes=("runc",)) == ""
    assert runtime_handler(pod(runtimeClassName="plain"), classes, runtimes=("runc",)) == "runc"
    assert runtime_handler(pod(runtimeClassName="deep"), classes, runtimes=()) == "kata"
    with pytest.raises(NoRuntime, match='no runtime for "kata" is configured'):
        runtime_handler(pod(runtimeClassName="deep"), classes, runtimes=("runc",))
    with pytest.raises(NoRuntime, match='"gone" not found'):
        runtime_handler(pod(runtimeClassName="gone"), classes, runtimes=("runc",))


def test_users_of_a_pods_own_are_told_to_be_missing() -> None:
    assert not sandbox_problem(pod())
    assert not sandbox_problem(pod(hostUsers=True))
    assert "runtime does not support user namespaces" in sandbox_problem(pod(hostUsers=False))


@pytest.mark.parametrize(
    ("limit", "reserved", "expected"),
    [(0, "0", 0), (100, "0", 100), (0, "1k", 31_768), (100, "1k", 100), (40_000, "1k", 31_768)],
)
def test_no_container_gets_processes_that_are_reserved(limit: int, reserved: str, expected: int) -> None:
    settings = KubeletSettings(pod_pids_limit=limit, system_reserved=ReservedSettings(pid=reserved))
    assert pids_limit(settings, highest=32_768) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("net.ipv4.tcp_syncookies", "net.ipv4.tcp_syncookies"),
        ("net/ipv4/tcp_syncookies", "net.ipv4.tcp_syncookies"),
        ("net.ipv4.conf.eno2/100.rp_filter", "net.ipv4.conf.eno2/100.rp_filter"),
        ("net/ipv4/conf/eno2.100/rp_filter", "net.ipv4.conf.eno2/100.rp_filter"),
    ],
)
def test_sysctls_have_one_spelling(name: str, expected: str) -> None:
    assert normalized(name) == expected
