"""A kopf operator: completes ConfigMaps that are labelled for it, and gives each Widget (a custom resource) a ConfigMap.

Run by tests/e2e/test_client_libraries.py through `kopf run`.
"""

from typing import Any

import kopf
from kubernetes import client, config

MINE = {"operated": "yes"}


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = True
    config.load_kube_config()


@kopf.on.create("v1", "configmaps", labels=MINE)
def created(patch: kopf.Patch, body: kopf.Body, **_: Any) -> str:
    patch["data"] = {"seen": "created"}
    kopf.info(body, reason="Operated", message="the operator was here")
    return "done"


@kopf.on.field("v1", "configmaps", field="data.wanted", labels=MINE)
def changed(patch: kopf.Patch, new: str | None, **_: Any) -> None:
    if new is not None:
        patch["data"] = {"answered": new.upper()}


@kopf.on.delete("v1", "configmaps", labels=MINE)
def deleted(logger: Any, name: str, **_: Any) -> None:
    logger.info("cleaned up after %s", name)


@kopf.on.create("example.dev", "v1", "widgets")
def widget_created(spec: kopf.Spec, name: str, namespace: str, **_: Any) -> dict[str, Any]:
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{name}-child"},
        "data": {"size": str(spec["size"])},
    }
    kopf.adopt(child)
    created = client.CoreV1Api().create_namespaced_config_map(namespace, child)
    return {"child": created.metadata.name}


@kopf.on.update("example.dev", "v1", "widgets", field="spec.size")
def widget_changed(spec: kopf.Spec, name: str, namespace: str, **_: Any) -> None:
    client.CoreV1Api().patch_namespaced_config_map(f"{name}-child", namespace, {"data": {"size": str(spec["size"])}})
