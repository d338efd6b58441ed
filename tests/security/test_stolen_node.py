"""What else a stolen node certificate, or a process on the node, tries: its own Node object over MQTT, and the agent's port.

With the API's matrix (tests/integration/test_api_node.py, 250 and more) and the broker's (test_broker_identities, 100 and
more) these are over 300 forbidden things, all refused.
"""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from lightkube.models.core_v1 import NodeSpec, Taint
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import Node

from master.client.local import LocalClient
from master.fleet.nodes import NodeWriter
from proto.messages import Hello
from proto.sealing import generate_key, public_key
from tests.integration.api_world import api_world
from tests.unit.agent.server.test_agent_server import Part, serving

#: What a kubelet serves on its port, and what other daemons forgot to close.
KUBELET_PATHS = (
    "/exec/default/p/c?command=sh&output=1",
    "/run/default/p/c?cmd=sh",
    "/attach/default/p/c",
    "/portForward/default/p",
    "/containerLogs/default/p/c",
    "/cri/exec/token",
    "/checkpoint/default/p/c",
    "/runningpods/",
    "/configz",
    "/logs/",
    "/logs/syslog",
    "/debug/pprof/",
    "/debug/flags/v",
    "/spec/",
    "/api/v1/nodes/n1/proxy/exec/default/p/c",
    "/shutdown",
    "/../../etc/passwd",
    "/pods/../exec/default/p/c",
)


async def test_the_agents_port_runs_nothing_and_changes_nothing() -> None:
    refused = 0
    async with serving(Part()) as url, aiohttp.ClientSession() as http:
        for path in KUBELET_PATHS:
            for method in ("GET", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS"):
                headers = {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"} if method == "POST" else {}
                async with http.request(method, url + path, headers=headers) as response:
                    assert response.status in (400, 403, 404, 405), (method, path, response.status)
                refused += 1
        for path in ("/healthz", "/livez", "/readyz", "/metrics", "/pods"):
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
                async with http.request(method, url + path, data=b"x") as response:
                    assert response.status in (405, 413), (method, path, response.status)
                refused += 1
    assert refused > 130


TRICKS: dict[str, dict[str, Any]] = {
    "taints gone": {"spec": {"taints": []}},
    "schedulable again": {"spec": {"unschedulable": False}},
    "another pod network": {"spec": {"podCIDR": "10.0.0.0/8", "providerID": "x://y"}},
    "an owner that deletes it": {
        "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "x"}]}
    },
    "a finalizer that keeps it": {"metadata": {"finalizers": ["example.com/never"]}},
    "a protected label": {"metadata": {"labels": {"node-restriction.kubernetes.io/tenant": "other"}}},
    "a role": {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
    "a label of another": {"metadata": {"labels": {"team": "mine", "example.com/pool": "secret"}}},
    "an annotation": {"metadata": {"annotations": {"wherry.io/other": "x"}}},
    "another name": {"metadata": {"name": "n2", "uid": "other", "resourceVersion": "1"}},
}


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_node_changes_no_more_of_its_own_object_than_a_kubelet_may(tmp_path: Path, trick: str) -> None:
    """CVE-2025-5187 and its like, by the door that a kubelet of Kubernetes does not have: the hello over MQTT."""
    async with api_world(tmp_path) as world:
        client = LocalClient(world.registry)
        metadata = ObjectMeta(
            name="n1",
            labels={"node-restriction.kubernetes.io/tenant": "mine", "team": "theirs"},
            ownerReferences=[OwnerReference(apiVersion="v1", kind="Namespace", name="default", uid="u")],
        )
        taint = Taint(key="dedicated", effect="NoSchedule", value="db")
        await client.create(Node(metadata=metadata, spec=NodeSpec(taints=[taint], unschedulable=True, podCIDR="10.1.0.0/24")))
        await client.create(Node(metadata=ObjectMeta(name="n2")))
        said: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "status": {"phase": "Running"}, **TRICKS[trick]}
        hello = Hello(node=said, sealing_key=public_key(generate_key()), boot_id="b", agent_version="v")
        before = await client.get(Node, "n1")
        writer = NodeWriter(client)
        for _ in range(2):
            await writer.hello("n1", hello)
        node = await client.get(Node, "n1")
        assert node.spec == before.spec
        assert node.metadata is not None
        assert before.metadata is not None
        assert node.metadata.uid == before.metadata.uid
        for field in ("ownerReferences", "finalizers", "labels", "deletionTimestamp"):
            assert getattr(node.metadata, field) == getattr(before.metadata, field), field
        added = set(node.metadata.annotations or {}) - set(before.metadata.annotations or {})
        assert added <= {"wherry.io/sealing-key"}, added
        other = await client.get(Node, "n2")
        assert other.metadata is not None
        assert not other.metadata.annotations
