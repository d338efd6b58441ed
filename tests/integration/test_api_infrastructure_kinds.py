"""Real kubectl with the kinds of networks, storage, runtimes and APIServices."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api_world import ApiWorld, api_world

VERSIONS = ("1.27", "1.30", "1.33")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


NETWORK = """
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: example.com/nginx}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
"""


@pytest.mark.parametrize("version", VERSIONS)
async def test_ingresses_and_network_policies(world: ApiWorld, version: str) -> None:
    async def kubectl(*arguments: str, stdin: str = "") -> str:
        return await world.ok(*arguments, version=version, stdin=stdin)

    created = await kubectl("create", "ingress", "web", "--class=nginx", "--rule=a.example.com/x*=svc:80,tls=cert")
    assert created == "ingress.networking.k8s.io/web created\n"
    await kubectl("apply", "-f", "-", stdin=NETWORK)
    assert (await kubectl("apply", "-f", "-", stdin=NETWORK)).count("unchanged") == 2
    lines = (await kubectl("get", "ing", "-o", "wide")).splitlines()
    assert lines[0].split() == ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]
    assert lines[1].split()[:5] == ["web", "nginx", "a.example.com", "80,", "443"]
    assert (await kubectl("get", "ingressclass")).split()[4:7] == ["nginx", "example.com/nginx", "<none>"]
    assert "app=web" in await kubectl("get", "netpol")
    described = await kubectl("describe", "ing", "web")
    assert "cert terminates a.example.com" in described
    assert "Allowing ingress traffic:" in await kubectl("describe", "netpol", "deny")
    status = '{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.9"}]}}}'
    await kubectl("patch", "ing", "web", "--subresource=status", "--type=merge", "-p", status)
    assert "192.0.2.9" in await kubectl("get", "ing", "web")
    refused = await world.kubectl("create", "ingress", "bad", "--rule=10.0.0.1/=svc:80", version=version)
    assert 'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address' in refused.err
    old = {"kubernetes.io/ingress.class": "nginx"}
    annotated = await world.kubectl(
        "create",
        "ingress",
        "old",
        "--rule=a/=s:1",
        *(f"--annotation={key}={value}" for key, value in old.items()),
        version=version,
    )
    warning = "Warning: annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead\n"
    assert annotated.err == warning
    await kubectl("delete", "ing", "--all")


STORAGE = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: example.com/local
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: csi.example.com}
spec: {podInfoOnMount: true}
---
apiVersion: storage.k8s.io/v1
kind: CSINode
metadata: {name: node-1}
spec: {drivers: [{name: csi.example.com, nodeID: node-1, topologyKeys: []}]}
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: a}
spec: {attacher: csi.example.com, nodeName: node-1, source: {persistentVolumeName: pv}}
---
apiVersion: storage.k8s.io/v1
kind: CSIStorageCapacity
metadata: {name: c, namespace: default}
storageClassName: local
capacity: 5Gi
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: kata}
handler: kata
overhead: {podFixed: {memory: 64Mi}}
"""


@pytest.mark.parametrize("version", VERSIONS)
async def test_storage_and_runtime_classes(world: ApiWorld, version: str) -> None:
    async def kubectl(*arguments: str, stdin: str = "") -> str:
        return await world.ok(*arguments, version=version, stdin=stdin)

    await kubectl("apply", "-f", "-", stdin=STORAGE)
    assert (await kubectl("apply", "-f", "-", stdin=STORAGE)).count("unchanged") == 6
    assert "local (default)   example.com/local   Delete          WaitForFirstConsumer   false" in await kubectl("get", "sc")
    assert "IsDefaultClass:  Yes" in await kubectl("describe", "sc", "local")
    assert (await kubectl("get", "csidriver")).split()[8:15] == [
        "csi.example.com", "true", "true", "false", "<unset>", "false", "Persistent",
    ]  # fmt: skip
    assert (await kubectl("get", "csinodes")).split()[3:5] == ["node-1", "1"]
    assert (await kubectl("get", "volumeattachments")).split()[6:11] == ["a", "csi.example.com", "pv", "node-1", "false"]
    assert (await kubectl("get", "csistoragecapacities")).split()[3:] == ["c", "local", "5Gi"]
    assert (await kubectl("get", "runtimeclass")).split()[3:5] == ["kata", "kata"]
    refused = await world.kubectl("patch", "sc", "local", "-p", '{"provisioner":"other"}', version=version)
    assert "provisioner: Forbidden: updates to provisioner are forbidden." in refused.err


AGGREGATED = """
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  service: {name: metrics-server, namespace: kube-system}
"""


@pytest.mark.parametrize("version", VERSIONS)
async def test_api_services_show_what_is_served_and_refuse_aggregated_servers(world: ApiWorld, version: str) -> None:
    table = (await world.ok("get", "apiservices", version=version)).splitlines()
    assert table[0].split() == ["NAME", "SERVICE", "AVAILABLE", "AGE"]
    rows = {line.split()[0]: line.split()[1:3] for line in table[1:]}
    assert {"v1.", "v1.apps", "v1.authentication.k8s.io", "v1.networking.k8s.io", "v1.storage.k8s.io"} <= rows.keys()
    assert all(row == ["Local", "True"] for row in rows.values())
    versions = (await world.ok("api-versions", version=version)).split()
    served = {one for one in versions if one != "apiregistration.k8s.io/v1"}
    assert {f"{group}/{found}" if group else found for found, _, group in (name.partition(".") for name in rows)} == served
    refused = await world.kubectl("apply", "-f", "-", stdin=AGGREGATED, version=version)
    assert "spec.service: Forbidden: aggregated API servers are not supported" in refused.err
    # This world has no nodes to ask.
    unavailable = await world.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes", version=version)
    assert "nodes.metrics.k8s.io cannot be read: no node is in reach" in unavailable.err
