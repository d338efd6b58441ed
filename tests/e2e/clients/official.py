"""The official Python client: typed API, watches, streams, the dynamic client. Run by tests/e2e/test_client_libraries.py.

Arguments: kubeconfig, namespace.
"""

import json
import sys

import pytest
from kubernetes import client, config, dynamic, watch
from kubernetes.stream import portforward, stream

IMAGE = "wherry-test/app:1"


def main(kubeconfig: str, namespace: str) -> None:
    config.load_kube_config(kubeconfig)
    core = client.CoreV1Api()
    version = client.VersionApi().get_code()
    assert version.major == "1"
    config_maps(core, namespace)
    pods(core, namespace)
    deployments(namespace)
    custom_objects(namespace)


def config_maps(core: client.CoreV1Api, namespace: str) -> None:
    begin = core.list_namespaced_config_map(namespace, limit=1).metadata.resource_version
    made = core.create_namespaced_config_map(namespace, {"metadata": {"generateName": "one-"}, "data": {"a": "1"}})
    name = made.metadata.name
    core.patch_namespaced_config_map(name, namespace, {"data": {"a": "2", "b": "3"}})
    with pytest.raises(client.ApiException) as taken:
        core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})
    assert (taken.value.status, json.loads(taken.value.body)["reason"]) == (409, "AlreadyExists")
    core.delete_namespaced_config_map(name, namespace)
    events = watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version=begin, timeout_seconds=20)
    seen = []
    for event in events:
        if event["object"].metadata.name == name:
            seen.append((event["type"], event["object"].data.get("a")))
            if event["type"] == "DELETED":
                break
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")], seen


def pods(core: client.CoreV1Api, namespace: str) -> None:
    serve = "mkdir -p /www && echo official > /www/index.html && echo started && exec httpd -f -p 8080 -h /www"
    container = client.V1Container(name="c", image=IMAGE, image_pull_policy="Never", command=["sh", "-c", serve])
    spec = client.V1PodSpec(containers=[container], termination_grace_period_seconds=1)
    core.create_namespaced_pod(namespace, client.V1Pod(metadata=client.V1ObjectMeta(name="official"), spec=spec))
    wait_for(core, namespace, lambda event: event["object"].status.phase == "Running")
    exec_of = core.connect_get_namespaced_pod_exec
    said = stream(exec_of, "official", namespace, command=["echo", "plain"], stdout=True, stderr=True)
    assert said == "plain\n", said
    script = "read line; echo got $line; echo err >&2; exit 3"
    command = stream(
        exec_of, "official", namespace, command=["sh", "-c", script],
        stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
    )  # fmt: skip
    command.write_stdin("typed\n")
    command.run_forever(timeout=10)
    assert command.read_stdout() == "got typed\n"
    assert command.read_stderr() == "err\n"
    assert command.returncode == 3
    assert core.read_namespaced_pod_log("official", namespace) == "started\n"
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, "official", namespace, ports="8080")
    connection = forwarded.socket(8080)
    connection.setblocking(True)
    connection.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
    answer = b""
    while piece := connection.recv(4096):
        answer += piece
    assert answer.endswith(b"official\n"), answer
    assert forwarded.error(8080) is None
    proxied = core.connect_get_namespaced_pod_proxy_with_path("official:8080", namespace, "index.html")
    assert proxied == "official\n", proxied
    core.patch_namespaced_pod("official", namespace, {"metadata": {"labels": {"by": "official"}}})
    assert len(core.list_namespaced_pod(namespace, label_selector="by=official").items) == 1
    core.delete_namespaced_pod("official", namespace)
    wait_for(core, namespace, lambda event: event["type"] == "DELETED")


def wait_for(core: client.CoreV1Api, namespace: str, reached) -> None:  # type: ignore[no-untyped-def]
    fields = "metadata.name=official"
    for event in watch.Watch().stream(core.list_namespaced_pod, namespace, field_selector=fields, timeout_seconds=30):
        if reached(event):
            return
    raise AssertionError("the watch ended first")


def deployments(namespace: str) -> None:
    found = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="apps/v1", kind="Deployment")
    template = {
        "metadata": {"labels": {"app": "none"}},
        "spec": {"containers": [{"name": "c", "image": IMAGE}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "none"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dynamic"}, "spec": spec}
    found.create(body=body, namespace=namespace)
    scale = client.AppsV1Api().patch_namespaced_deployment_scale("dynamic", namespace, {"spec": {"replicas": 0}})
    assert scale.spec.replicas in (0, None)
    patch = {"metadata": {"annotations": {"a": "b"}}}
    patched = found.patch(body=patch, name="dynamic", namespace=namespace, content_type="application/merge-patch+json")
    assert patched.metadata.annotations["a"] == "b"
    found.delete(name="dynamic", namespace=namespace)


def custom_objects(namespace: str) -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "official.dev", "scope": "Namespaced", "names": names, "versions": [version]}
    definitions = client.ApiextensionsV1Api()
    definitions.create_custom_resource_definition(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.official.dev"},
            "spec": spec,
        }
    )
    fields = "metadata.name=things.official.dev"
    watching = watch.Watch()
    for event in watching.stream(definitions.list_custom_resource_definition, field_selector=fields, timeout_seconds=20):
        conditions = event["object"].status.conditions or []
        if any((one.type, one.status) == ("Established", "True") for one in conditions):
            watching.stop()
    things = client.CustomObjectsApi()
    where = ("official.dev", "v1", namespace, "things")
    body = {"apiVersion": "official.dev/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"size": 1}}
    made = things.create_namespaced_custom_object(*where, body)
    things.patch_namespaced_custom_object(*where, "t", {"spec": {"size": 2}})
    begin = made["metadata"]["resourceVersion"]
    things.delete_namespaced_custom_object(*where, "t")
    seen = []
    for event in watch.Watch().stream(
        things.list_namespaced_custom_object, *where, resource_version=begin, timeout_seconds=20
    ):
        seen.append((event["type"], event["object"]["spec"]["size"]))
        if event["type"] == "DELETED":
            break
    assert seen == [("MODIFIED", 2), ("DELETED", 2)], seen
    definitions.delete_custom_resource_definition("things.official.dev")


main(*sys.argv[1:])
