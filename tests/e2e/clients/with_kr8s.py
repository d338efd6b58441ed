"""kr8s. Run by tests/e2e/test_client_libraries.py.

Arguments: kubeconfig, namespace.
"""

import sys

import httpx
import kr8s
from kr8s.objects import ConfigMap, Pod

IMAGE = "wherry-test/app:1"


def main(kubeconfig: str, namespace: str) -> None:
    api = kr8s.api(kubeconfig=kubeconfig, namespace=namespace)
    serve = "mkdir -p /www && echo kr8s > /www/index.html && echo started && exec httpd -f -p 8080 -h /www"
    container = {"name": "c", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c", serve]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    pod = Pod({"metadata": {"name": "kr8s", "namespace": namespace}, "spec": spec}, api=api)
    pod.create()
    pod.wait("condition=Ready", timeout=30)
    assert pod.exec(["echo", "plain"]).stdout == b"plain\n"
    assert list(pod.logs()) == ["started"]
    failed = pod.exec(["sh", "-c", "echo err >&2; exit 3"], check=False)
    assert (failed.returncode, failed.stderr) == (3, b"err\n")
    with pod.portforward(remote_port=8080) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/index.html").text == "kr8s\n"
    pod.patch({"metadata": {"labels": {"by": "kr8s"}}})
    assert [one.name for one in kr8s.get("pods", label_selector="by=kr8s", namespace=namespace, api=api)] == ["kr8s"]
    made = ConfigMap({"metadata": {"name": "kr8s", "namespace": namespace}, "data": {"a": "1"}}, api=api)
    made.create()
    for event, obj in api.watch("configmaps", namespace=namespace, field_selector="metadata.name=kr8s"):
        if event == "ADDED":
            obj.patch({"data": {"a": "2"}})
        elif event == "MODIFIED":
            assert obj.data["a"] == "2"
            obj.delete()
        else:
            break
    pod.delete()
    pod.wait("delete", timeout=30)
    assert not pod.exists()


main(*sys.argv[1:])
