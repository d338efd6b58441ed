"""What makes a static pod, and what is refused, with what words."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from lightkube.models.core_v1 import Pod

from agent.kubelet.critical import is_critical, is_static
from agent.kubelet.static_pods.manifest import InvalidManifest, static_pod

SEEN = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def manifest(**spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "app:1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [container], **spec}}


def made(value: object, *, file: str = "/m/web.yaml", node: str = "Node-1") -> Pod:
    content = value if isinstance(value, bytes) else yaml.safe_dump(value).encode()
    return static_pod(content, file=file, node=node, seen=SEEN)


def test_it_is_named_and_marked_as_kubelet_does() -> None:
    pod = made(manifest())
    assert pod.metadata is not None
    assert (pod.metadata.name, pod.metadata.namespace) == ("web-node-1", "default")
    assert pod.metadata.annotations == {
        "kubernetes.io/config.hash": pod.metadata.uid,
        "kubernetes.io/config.seen": "2026-11-24T12:00:00Z",
        "kubernetes.io/config.source": "file",
    }
    assert pod.spec is not None
    assert pod.spec.nodeName == "Node-1"
    assert [(one.operator, one.effect) for one in pod.spec.tolerations or ()] == [("Exists", "NoExecute")]
    assert is_static(pod)
    assert is_critical(pod)


def test_json_makes_the_same_pod_as_yaml() -> None:
    yaml_pod, json_pod = made(manifest()), made(json.dumps(manifest()).encode())
    assert yaml_pod.spec == json_pod.spec


def test_another_content_file_or_node_is_another_pod_and_the_same_is_the_same() -> None:
    def uid(pod: Pod) -> str:
        assert pod.metadata is not None
        return pod.metadata.uid or ""

    first = uid(made(manifest()))
    assert uid(made(manifest())) == first
    others = {uid(made(manifest(hostNetwork=True))), uid(made(manifest(), file="/m/x")), uid(made(manifest(), node="n2"))}
    assert len(others | {first}) == 4


def test_quantities_may_be_written_as_numbers() -> None:
    container = {"name": "c", "image": "i", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}
    pod = made(manifest(containers=[container], volumes=[{"name": "v", "emptyDir": {"sizeLimit": 1000}}]))
    assert pod.spec is not None
    assert pod.spec.containers[0].resources is not None
    assert pod.spec.containers[0].resources.limits == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("spec", "resource"),
    [
        ({"serviceAccountName": "x"}, "serviceaccounts"),
        ({"imagePullSecrets": [{"name": "x"}]}, "secrets"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}, "secrets"),
        ({"volumes": [{"name": "v", "configMap": {"name": "x"}}]}, "configmaps"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]}, "persistentvolumeclaims"),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}, "serviceaccounts"),
        (
            {"containers": [{"name": "c", "image": "i", "envFrom": [{"configMapRef": {"name": "x"}}]}]},
            "configmaps",
        ),
        (
            {
                "initContainers": [
                    {
                        "name": "i",
                        "image": "i",
                        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}],
                    }
                ]
            },
            "secrets",
        ),
    ],
)
def test_it_may_not_refer_to_objects_of_the_api(spec: dict[str, Any], resource: str) -> None:
    with pytest.raises(InvalidManifest, match=f"static pods can not reference {resource}"):
        made(manifest(**spec))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [", "neither YAML nor JSON"),
        (b"\xff\xfe\xfa", "neither YAML nor JSON"),
        (b"", "holds no object"),
        (b"a: 1\n---\nb: 1\n", "neither YAML nor JSON"),
        (b"[" * 3000, "neither YAML nor JSON"),
        (b"x" * (1 << 21), "larger than"),
        (yaml.safe_dump({**manifest(), "kind": "Deployment"}).encode(), "holds no v1 Pod but a v1 Deployment"),
        (yaml.safe_dump({**manifest(), "metadata": {}}).encode(), "metadata.name: Required value"),
        (yaml.safe_dump({**manifest(), "metadata": {"name": "A_b"}}).encode(), "RFC 1123 subdomain"),
        (yaml.safe_dump({**manifest(), "spec": []}).encode(), "spec: Required value"),
        (yaml.safe_dump(manifest(containers=[])).encode(), "spec.containers: Required value"),
        (yaml.safe_dump(manifest(containers=["x"])).encode(), "must be a list of containers"),
        (yaml.safe_dump(manifest(containers=[{"name": "c"}])).encode(), r"spec.containers\[0\].image: Required value"),
        (
            yaml.safe_dump(manifest(initContainers=[{"name": "c", "image": "i"}])).encode(),
            'Duplicate value: "c"',
        ),
        (yaml.safe_dump(manifest(ephemeralContainers=[{"name": "e", "image": "i"}])).encode(), "ephemeral containers"),
        (
            yaml.safe_dump(
                manifest(containers=[{"name": "c", "image": "i", "resources": {"limits": {"cpu": "much"}}}])
            ).encode(),
            r"resources.limits\[cpu\]",
        ),
        (yaml.safe_dump(manifest(hostNetwork="yes")).encode(), "hostNetwork"),
    ],
)
def test_what_is_no_pod_is_refused_with_the_reason(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidManifest, match=problem):
        made(content)
