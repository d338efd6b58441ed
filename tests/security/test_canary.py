"""A secret's value is found nowhere but where it must be: a real master, its broker, a node, and an audit log of everything.

The containers' side of it (volumes in memory, no secret in the engine's configuration): tests/e2e/test_pods.py. The store
itself holds Secrets as the API gives them; it is the master's own file, mode 0600.
"""

import base64
import json
from pathlib import Path

import pytest

from tests.integration.master_cluster import eventually, master_running, node_running, pod

pytestmark = pytest.mark.broker

CANARY = "canary-9e107d9d372bb6826bd81d3542a419d6"
NAMESPACE = "/api/v1/namespaces/default"
POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]}


def forms() -> list[bytes]:
    """The value as it may be written: plain, in base64 at each of three offsets, in hex, reversed."""
    plain = CANARY.encode()
    shifted = [base64.b64encode(b"x" * offset + plain)[4:-4] for offset in range(3)]
    return [plain, *shifted, plain.hex().encode(), plain[::-1]]


def leaks(folder: Path, *, but: set[str]) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith(tuple(but)):
            content = path.read_bytes()
            found += [str(path.relative_to(folder)) for form in forms() if form in content]
    return found


async def test_a_secret_is_in_no_log_metric_event_broker_file_or_node_file(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(json.dumps(POLICY))
    async with (
        master_running(audit={"policy_file": str(policy)}, log_level="DEBUG") as master,
        node_running(master, "n1", tmp_path / "n1") as node,
        master.api() as api,
    ):
        value = base64.b64encode(CANARY.encode()).decode()
        await api.create(f"{NAMESPACE}/secrets", {"metadata": {"name": "s"}, "data": {"p": value}})
        await api.create(f"{NAMESPACE}/secrets", {"metadata": {"name": "t"}, "stringData": {"p": CANARY}})
        await api.put(f"{NAMESPACE}/secrets/t", {"metadata": {"name": "t"}, "stringData": {"p": CANARY, "q": CANARY}})
        env = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}}]
        volume = {"name": "v", "secret": {"secretName": "t"}}
        await eventually(lambda: node.desired.node is not None)
        created = await api.create(f"{NAMESPACE}/pods", pod("a", "n1", container={"env": env}, volumes=[volume]))
        uid = created["metadata"]["uid"]
        await eventually(lambda: uid in node.desired.pods and ("default", "t") in node.desired.secrets)
        await eventually(lambda: (node.desired.secrets["default", "t"].data or {}).get("q") == value)
        texts = [await api.text("/metrics")]
        for path in (f"{NAMESPACE}/events", f"{NAMESPACE}/pods", "/api/v1/nodes", "/apis/coordination.k8s.io/v1/leases"):
            texts.append(json.dumps(await api.get(path)))
        assert not [text for text in texts for form in forms() if form.decode() in text]
        audit = (master.folder / "data" / "audit" / "audit.log").read_text()
        assert '"secrets"' in audit, "the log does tell of the request"
        store = {"store.db"}
        assert leaks(master.folder, but=store) == []
        for file in (master.folder / "data").rglob("store.db*"):
            assert file.suffix == ".lock" or file.stat().st_mode & 0o077 == 0, file
    assert leaks(tmp_path, but={"policy.yaml"}) == []
