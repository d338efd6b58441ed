"""A valid object of each kind, rich in fields, as a client sends it: what tests mutilate and send again."""

from typing import Any

from master.client.protocol import ResourceRef

Json = dict[str, Any]
CONTAINER: Json = {
    "name": "c", "image": "i", "ports": [{"containerPort": 80, "name": "http"}],
    "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    "livenessProbe": {"httpGet": {"path": "/", "port": "http"}}, "lifecycle": {"preStop": {"exec": {"command": ["x"]}}},
}  # fmt: skip
POD_SPEC: Json = {
    "containers": [CONTAINER], "initContainers": [{"name": "init", "image": "i"}],
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "secret": {"items": [{"key": "a", "path": "b"}]}}],
    "tolerations": [{"key": "a", "operator": "Exists"}], "nodeSelector": {"a": "b"},
}  # fmt: skip
TEMPLATE: Json = {"metadata": {"labels": {"app": "a"}}, "spec": POD_SPEC}
SCALED: Json = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE, "replicas": 1}
OBJECTS: list[tuple[ResourceRef, Json]] = [
    (ResourceRef("", "v1", "pods"), {"spec": POD_SPEC, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
    (
        ResourceRef("", "v1", "services"),
        {
            "spec": {
                "type": "NodePort",
                "ports": [{"port": 80, "targetPort": "http", "nodePort": 30100}],
                "clusterIP": "10.96.3.3",
            }
        },
    ),
    (ResourceRef("", "v1", "configmaps"), {"data": {"a": "b"}, "binaryData": {"c": "aGk="}, "immutable": False}),
    (ResourceRef("", "v1", "secrets"), {"data": {"a": "aGk="}, "stringData": {"c": "d"}, "type": "Opaque"}),
    (ResourceRef("", "v1", "endpoints"), {"subsets": [{"addresses": [{"ip": "192.0.2.4"}], "ports": [{"port": 80}]}]}),
    (ResourceRef("apps", "v1", "deployments"), {"spec": {**SCALED, "strategy": {"rollingUpdate": {"maxSurge": "25%"}}}}),
    (ResourceRef("apps", "v1", "replicasets"), {"spec": SCALED}),
    (ResourceRef("coordination.k8s.io", "v1", "leases"), {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}),
    (
        ResourceRef("discovery.k8s.io", "v1", "endpointslices"),
        {"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.4"]}], "ports": [{"port": 80}]},
    ),
]
