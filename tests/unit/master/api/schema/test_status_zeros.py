"""What is not given and Go's types write all the same."""

from master.api.schema.schemas import Schemas

NODE = "io.k8s.api.core.v1.Node"
POD = "io.k8s.api.core.v1.Pod"
SCHEMAS = Schemas([NODE, POD])


def test_required_scalars_of_a_status_are_there() -> None:
    node = SCHEMAS.normalize(NODE, {"status": {"conditions": [{"type": "Ready"}], "nodeInfo": {"osImage": "x"}}}).object
    assert node["status"]["conditions"] == [{"type": "Ready", "status": ""}]
    assert node["status"]["nodeInfo"].items() >= {"osImage": "x", "kernelVersion": ""}.items()
    pod = SCHEMAS.normalize(POD, {"status": {"containerStatuses": [{"name": "c"}]}}).object
    assert pod["status"]["containerStatuses"] == [{"name": "c", "ready": False, "restartCount": 0, "image": "", "imageID": ""}]


def test_required_scalars_of_a_spec_are_there_too() -> None:
    probe = {"httpGet": {"port": 80, "httpHeaders": [{"name": "X-Empty"}]}}
    spec = {"containers": [{"livenessProbe": probe}], "securityContext": {"sysctls": [{"name": "kernel.domainname"}]}}
    pod = SCHEMAS.normalize(POD, {"spec": spec}).object
    assert pod["spec"]["containers"] == [
        {"name": "", "livenessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "X-Empty", "value": ""}]}}}
    ]
    assert pod["spec"]["securityContext"]["sysctls"] == [{"name": "kernel.domainname", "value": ""}]
