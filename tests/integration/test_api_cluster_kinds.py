"""Real kubectl with the kinds of administrators: RBAC, priority classes, certificate requests, admission registration."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from tests.integration.api_world import ApiWorld, api_world

VERSIONS = ("1.27", "1.30", "1.33")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.mark.parametrize("version", VERSIONS)
async def test_rbac_objects_are_created_shown_and_described(world: ApiWorld, version: str) -> None:
    async def kubectl(*arguments: str) -> str:
        return await world.ok(*arguments, version=version)

    assert await kubectl("create", "role", "r", "--verb=get,list", "--resource=pods,deployments.apps") == (
        "role.rbac.authorization.k8s.io/r created\n"
    )
    await kubectl("create", "clusterrole", "c", "--verb=get", "--non-resource-url=/logs/*")
    await kubectl("create", "clusterrole", "agg", "--aggregation-rule=team=a")
    await kubectl("create", "rolebinding", "rb", "--role=r", "--user=bob", "--group=g", "--serviceaccount=default:sa")
    await kubectl("create", "clusterrolebinding", "cb", "--clusterrole=c", "--group=g")
    wide = await kubectl("get", "rolebinding", "rb", "-o", "wide")
    assert wide.split()[:6] == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert "Role/r" in wide
    assert "default/sa" in wide
    assert (await kubectl("get", "clusterroles", "c")).split()[:3] == ["NAME", "CREATED", "AT"]
    described = await kubectl("describe", "role", "r")
    assert "deployments.apps" in described
    assert "[get list]" in described
    assert "ServiceAccount  sa    default" in await kubectl("describe", "rolebinding", "rb")
    refused = await world.kubectl("patch", "rolebinding", "rb", "-p", '{"roleRef":{"name":"other"}}', version=version)
    assert "cannot change roleRef" in refused.err
    assert await kubectl("delete", "rolebinding", "rb") == 'rolebinding.rbac.authorization.k8s.io "rb" deleted\n'


@pytest.mark.parametrize("version", VERSIONS)
async def test_priority_classes(world: ApiWorld, version: str) -> None:
    await world.ok("create", "priorityclass", "high", "--value=1000", "--description=d", version=version)
    listed = await world.ok("get", "pc", version=version)
    assert "PREEMPTIONPOLICY" in listed.splitlines()[0]
    rows = {line.split()[0]: line.split()[1:3] for line in listed.splitlines()[1:]}
    assert rows == {
        "high": ["1000", "false"],
        "system-cluster-critical": ["2000000000", "false"],
        "system-node-critical": ["2000001000", "false"],
    }
    refused = await world.kubectl("create", "priorityclass", "system-x", "--value=1", version=version)
    assert "priority class names with 'system-' prefix are reserved for system use only" in refused.err
    assert "Value:" in await world.ok("describe", "pc", "high", version=version)


def csr(name: str) -> str:
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(Ed25519PrivateKey.generate(), None)
    request = b64encode(built.public_bytes(Encoding.PEM)).decode()
    spec = {"request": request, "signerName": "example.com/signer", "usages": ["client auth"], "username": "forged"}
    api = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return json.dumps({**api, "metadata": {"name": name}, "spec": spec})


@pytest.mark.parametrize("version", VERSIONS)
async def test_certificate_requests_are_approved_and_denied(world: ApiWorld, version: str) -> None:
    for name in ("one", "two"):
        await world.ok("create", "-f", "-", stdin=csr(name), version=version)
    assert await world.ok("get", "csr", "one", "-o", "jsonpath={.spec.username}", version=version) == "admin"
    assert "Pending" in await world.ok("get", "csr", "one", version=version)
    await world.ok("certificate", "approve", "one", version=version)
    await world.ok("certificate", "deny", "two", version=version)
    table = await world.ok("get", "csr", version=version)
    assert table.split()[:6] == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    assert [line.split()[-1] for line in table.splitlines()[1:]] == ["Approved", "Denied"]
    selected = await world.ok(
        "get", "csr", "--field-selector=spec.signerName=example.com/other", "-o", "name", version=version
    )
    assert selected == ""
    assert "Requesting User:" in await world.ok("describe", "csr", "one", version=version)


POLICIES = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: limit}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [widgets]}]
  validations: [{expression: "object.spec.replicas <= 5"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: limit}
spec: {policyName: limit, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: hooks}
webhooks:
- name: a.example.com
  clientConfig: {service: {namespace: default, name: hook, path: /mutate}}
  rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [widgets]}]
  sideEffects: None
  admissionReviewVersions: [v1]
"""


@pytest.mark.parametrize("version", VERSIONS)
async def test_admission_registration_is_applied_and_printed(world: ApiWorld, version: str) -> None:
    await world.ok("apply", "-f", "-", stdin=POLICIES, version=version)
    # kubectl sends rules without their defaulted scope again: nothing of that is a change.
    await world.ok("apply", "-f", "-", stdin=POLICIES, version=version)
    for kind in ("validatingadmissionpolicy/limit", "mutatingwebhookconfiguration/hooks"):
        assert await world.ok("get", kind, "-o", "jsonpath={.metadata.generation}", version=version) == "1"
    assert "<unset>" in await world.ok("get", "validatingadmissionpolicy", version=version)
    assert "limit" in await world.ok("get", "validatingadmissionpolicybinding", version=version)
    assert (await world.ok("get", "mutatingwebhookconfigurations", version=version)).split()[:3] == ["NAME", "WEBHOOKS", "AGE"]
    names = await world.ok("get", "api-extensions", "-o", "name", version=version)
    assert "mutatingwebhookconfiguration.admissionregistration.k8s.io/hooks" in names
    assert "Failure Policy" in await world.ok("describe", "validatingadmissionpolicy", "limit", version=version)
