"""Devices go to one pod each, and come back when it ends."""

from lightkube.models.core_v1 import Pod

from agent.kubelet.admission.chain import Refusal
from agent.kubelet.devices import Assignment, DeviceManager
from agent.runtime.spec import DeviceRequest
from agent.settings.devices import ExtendedResourceSettings
from tests.unit.agent.kubelet.pod_world import pod

GPU = "nvidia.com/gpu"


def manager() -> DeviceManager:
    gpu = ExtendedResourceSettings(ids=("0", "1"), driver="nvidia", devices=("/dev/gpu{id}:/dev/own{id}:r", "/dev/control"))
    return DeviceManager({GPU: gpu, "x.io/fpga": ExtendedResourceSettings(ids=("f0",), env={"FPGA": "{ids}"})})


def given(devices: DeviceManager, uid: str, asking: Pod) -> Assignment:
    assert devices.allocate(uid, asking) is None
    return devices.held(uid)


def wanting(count: int, **requests: str) -> dict[str, object]:
    return {"resources": {"limits": {GPU: str(count), **requests}}}


def test_each_piece_goes_to_one_pod_until_it_ends() -> None:
    devices = manager()
    assert given(devices, "a", pod(wanting(1))) == {"c0": {GPU: ("0",)}}
    assert given(devices, "b", pod(wanting(1))) == {"c0": {GPU: ("1",)}}
    problem = f"requested number of devices unavailable for {GPU}. Requested: 1, Available: 0"
    refused = devices.allocate("c", pod(wanting(1)))
    assert refused == Refusal("UnexpectedAdmissionError", f"Allocate failed due to {problem}, which is unexpected")
    devices.release("a")
    assert given(devices, "c", pod(wanting(1))) == {"c0": {GPU: ("0",)}}


def test_what_is_refused_holds_nothing() -> None:
    devices = manager()
    assert isinstance(devices.allocate("a", pod(wanting(1), wanting(2))), Refusal)
    assert given(devices, "b", pod(wanting(2))) == {"c0": {GPU: ("0", "1")}}


def test_what_a_pod_had_before_the_agents_restart_is_kept() -> None:
    devices = manager()
    devices.keep("a", {"c0": {GPU: ("0",)}})
    assert given(devices, "b", pod(wanting(1))) == {"c0": {GPU: ("1",)}}
    assert devices.of_container("a", "c0").requests == (DeviceRequest("nvidia", ("0",), ("gpu",)),)


def test_an_init_containers_pieces_serve_the_containers_after_it() -> None:
    assert given(manager(), "a", pod(wanting(2), inits=[wanting(1), wanting(2)])) == {
        "i0": {GPU: ("0",)},
        "i1": {GPU: ("0", "1")},
        "c0": {GPU: ("0", "1")},
    }


def test_a_container_gets_devices_a_request_and_variables() -> None:
    devices = manager()
    devices.allocate("a", pod(wanting(2, **{"x.io/fpga": "1"}), {}))
    given = devices.of_container("a", "c0")
    assert given.devices == (
        ("/dev/gpu0", "/dev/own0", "r"),
        ("/dev/gpu1", "/dev/own1", "r"),
        ("/dev/control", "/dev/control", "rwm"),
    )
    assert given.requests == (DeviceRequest("nvidia", ("0", "1"), ("gpu",)),)
    assert given.env == {"FPGA": "f0"}
    assert devices.of_container("a", "c1").devices == ()
