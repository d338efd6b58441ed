"""Manifests that several tests use. The app is busybox's httpd that answers with its pod's name."""

import json
from typing import Any

Json = dict[str, Any]
APP_PORT = 8080

#: Serves the pod's name as a file: httpd answers a file without starting a process for it.
_SERVE = "mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 8080 -h /www"


def app_deployment(
    name: str = "app",
    *,
    replicas: int = 4,
    image: str = "wherry-test/app:1",
    toleration_seconds: int | None = None,
    drain_seconds: int = 0,
    spread: bool = False,
    **spec: Any,
) -> Json:
    """A Deployment of the app, ready when it answers.

    `drain_seconds`: a preStop sleep, as Kubernetes advises for servers without orderly shutdown. `toleration_seconds`: how
    long it stays on a node that is gone. `spread`: never two pods on a node.
    """
    container: Json = {
        "name": "web",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", _SERVE],
        "ports": [{"name": "http", "containerPort": APP_PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
    }
    if drain_seconds:
        container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", str(drain_seconds)]}}}
    pod: Json = {"containers": [container], "terminationGracePeriodSeconds": drain_seconds + 1}
    if toleration_seconds is not None:
        pod["tolerations"] = [
            {
                "key": f"node.kubernetes.io/{key}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": toleration_seconds,
            }
            for key in ("not-ready", "unreachable")
        ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            **spec,
        },
    }


def app_service(name: str = "app", *, type_: str = "NodePort", **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": type_,
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            **spec,
        },
    }


def manifest(*objects: Json) -> str:
    """Objects as one document for `kubectl apply -f -`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
