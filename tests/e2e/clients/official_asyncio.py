"""The official Python client's asyncio edition. Run by tests/e2e/test_client_libraries.py.

Arguments: kubeconfig, namespace.
"""

import asyncio
import sys

from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.stream import WsApiClient

IMAGE = "wherry-test/app:1"


async def main(kubeconfig: str, namespace: str) -> None:
    await config.load_kube_config(kubeconfig)
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        container = {"name": "c", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "1000"]}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
        body = {"metadata": {"name": "async"}, "spec": spec}
        made = await core.create_namespaced_pod(namespace, body)
        assert made.status.phase == "Pending"
        await wait_for(core, namespace, lambda event: event["object"].status.phase == "Running")
        async with WsApiClient() as sockets:
            execs = client.CoreV1Api(sockets)
            said = await execs.connect_get_namespaced_pod_exec(
                "async", namespace, command=["sh", "-c", "echo plain"], stderr=True, stdin=False, stdout=True, tty=False
            )
            assert said == "plain\n", said
        await core.patch_namespaced_pod("async", namespace, {"metadata": {"labels": {"by": "async"}}})
        assert len((await core.list_namespaced_pod(namespace, label_selector="by=async")).items) == 1
        await core.delete_namespaced_pod("async", namespace)
        await wait_for(core, namespace, lambda event: event["type"] == "DELETED")


async def wait_for(core: client.CoreV1Api, namespace: str, reached) -> None:  # type: ignore[no-untyped-def]
    async with watch.Watch().stream(
        core.list_namespaced_pod, namespace, field_selector="metadata.name=async", timeout_seconds=30
    ) as events:
        async for event in events:
            if reached(event):
                return
    raise AssertionError("the watch ended first")


asyncio.run(main(*sys.argv[1:]))
