"""Certificate requests through kubectl: approved, denied, signed by the cluster CA; the certificate then authenticates."""

import base64
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from master.controllers.certificate_approver import CertificateApprover
from master.controllers.certificate_cleaner import CertificateCleaner
from master.controllers.certificate_signer import CertificateSigner
from master.pki.authority import generate_key, key_to_pem
from tests.cluster.waiting import eventually
from tests.integration.api_world import CERTIFICATE, ApiWorld, api_world

Json = dict[str, Any]
CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"
KEY = generate_key()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    controllers = (CertificateApprover, CertificateSigner, CertificateCleaner)
    async with api_world(tmp_path, controllers=controllers) as running:
        yield running


def csr(
    name: str,
    common_name: str,
    *organizations: str,
    signer: str = CLIENT,
    usages: Sequence[str] = ("client auth",),
    names: Sequence[x509.GeneralName] = (),
    **spec: Any,
) -> str:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(KEY, SHA256()).public_bytes(Encoding.PEM)
    request = {"request": base64.b64encode(pem).decode(), "signerName": signer, "usages": list(usages), **spec}
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return json.dumps({**kind, "metadata": {"name": name}, "spec": request})


async def found(world: ApiWorld, name: str) -> Json:
    obj: Json = json.loads(await world.ok("get", "csr", name, "-o", "json"))
    return obj


async def conditions(world: ApiWorld, name: str) -> list[tuple[str, str]]:
    status = (await found(world, name)).get("status", {})
    return [(one["type"], one.get("message", "")) for one in status.get("conditions", [])]


async def certificate(world: ApiWorld, name: str) -> x509.Certificate:
    async def check() -> x509.Certificate:
        encoded = (await found(world, name)).get("status", {}).get("certificate")
        assert encoded, await conditions(world, name)
        return x509.load_pem_x509_certificate(base64.b64decode(encoded))

    return await eventually(check, seconds=10, pause=0.05)


async def user_of(world: ApiWorld, issued: x509.Certificate, folder: Path) -> Json:
    file = folder / "issued.pem"
    file.write_bytes(issued.public_bytes(Encoding.PEM) + key_to_pem(KEY))
    context = ssl.create_default_context(cadata=world.authority.certificate_pem.decode())
    context.load_cert_chain(file)
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with (
        aiohttp.ClientSession(world.url, connector=aiohttp.TCPConnector(ssl=context)) as http,
        http.post(path, json={}) as response,
    ):
        user: Json = (await response.json())["status"]["userInfo"]
        return user


@pytest.mark.parametrize("version", ["1.27", "1.30", "1.33"])
async def test_an_approved_request_gives_a_certificate_that_authenticates(
    world: ApiWorld, version: str, tmp_path: Path
) -> None:
    manifest = csr("jane", "jane", "team", usages=["digital signature", "client auth"], expirationSeconds=3600)
    await world.ok("apply", "-f", "-", stdin=manifest, version=version)
    assert "Pending" in await world.ok("get", "csr", "jane", version=version)
    approved = await world.ok("certificate", "approve", "jane", version=version)
    assert approved == "certificatesigningrequest.certificates.k8s.io/jane approved\n"
    issued = await certificate(world, "jane")
    assert "Approved,Issued" in await world.ok("get", "csr", "jane", version=version)
    user = await user_of(world, issued, tmp_path)
    assert (user["username"], user["groups"]) == ("jane", ["team", "system:authenticated"])
    assert issued.not_valid_after_utc - issued.not_valid_before_utc == timedelta(seconds=3600 + 300)
    usages = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize("version", ["1.27", "1.33"])
async def test_a_denied_request_gives_none(world: ApiWorld, version: str) -> None:
    await world.ok("apply", "-f", "-", stdin=csr("jane", "jane"), version=version)
    await world.ok("certificate", "deny", "jane", version=version)
    assert "Denied" in await world.ok("get", "csr", "jane", version=version)
    assert (await found(world, "jane"))["status"].get("certificate") is None


async def test_a_request_that_its_signer_may_not_sign_fails(world: ApiWorld) -> None:
    cases = {
        "usage": (csr("usage", "jane", usages=["server auth"]), "invalid usage for client certificate: server auth"),
        "node": (csr("node", "jane", signer=KUBELET), "subject organization is not system:nodes"),
        "names": (
            csr("names", "system:node:n", "system:nodes", signer=SERVING, usages=["digital signature", "server auth"]),
            "DNS or IP subjectAltName is required",
        ),
        "master": (csr("master", "wherry-master"), "subject common name wherry-master is reserved"),
    }
    for name, (manifest, why) in cases.items():
        await world.ok("apply", "-f", "-", stdin=manifest)
        await world.ok("certificate", "approve", name)

        async def failed(name: str = name, why: str = why) -> None:
            assert ("Failed", why) in await conditions(world, name)

        await eventually(failed, seconds=10, pause=0.05)


async def test_a_serving_certificate_has_the_names_that_were_asked_for(world: ApiWorld) -> None:
    names = [x509.DNSName("n"), x509.IPAddress(ipaddress.ip_address("192.0.2.7"))]
    usages = ["digital signature", "key encipherment", "server auth"]
    manifest = csr("n", "system:node:n", "system:nodes", signer=SERVING, usages=usages, names=names)
    await world.ok("apply", "-f", "-", stdin=manifest)
    await world.ok("certificate", "approve", "n")
    issued = await certificate(world, "n")
    assert list(issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == names


async def test_a_node_s_own_client_certificate_is_approved_by_itself(world: ApiWorld, tmp_path: Path) -> None:
    binding = ["--clusterrole=system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "--group=system:nodes"]
    await world.ok("create", "clusterrolebinding", "renew", *binding)
    create = ["--clusterrole=system:node-bootstrapper", "--group=system:nodes", "--group=team"]
    await world.ok("create", "clusterrolebinding", "ask", *create)
    usages = ["digital signature", "client auth"]

    async def asked_by(user: Path, name: str, node: str) -> None:
        manifest = csr(name, f"system:node:{node}", "system:nodes", signer=KUBELET, usages=usages)
        path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        async with world.http(user) as http, http.post(path, json=json.loads(manifest)) as response:
            assert response.status == 201, await response.text()

    await asked_by(world.user("jane", "team"), "foreign", "n")
    await asked_by(world.user("system:node:n", "system:nodes"), "other", "m")
    await asked_by(world.user("system:node:n", "system:nodes"), "own", "n")
    user = await user_of(world, await certificate(world, "own"), tmp_path)
    assert user["username"] == "system:node:n"
    assert (await found(world, "own"))["spec"]["username"] == "system:node:n"
    assert (await conditions(world, "own"))[0][1] == (
        "Auto approving self kubelet client certificate after SubjectAccessReview."
    )
    assert await conditions(world, "foreign") == []
    assert await conditions(world, "other") == []


async def test_a_node_gets_no_certificate_that_names_another_node_too(world: ApiWorld) -> None:
    """Approved for its first name, it would be the API's user of its last."""
    binding = ["--clusterrole=system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "--group=system:nodes"]
    await world.ok("create", "clusterrolebinding", "renew", *binding)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}") for node in ("n", "victim")]
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"), *names])
    pem = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(KEY, SHA256()).public_bytes(Encoding.PEM)
    usages = ["digital signature", "client auth"]
    for name, raw in (("both", pem), ("own", None)):
        body = json.loads(csr(name, "system:node:n", "system:nodes", signer=KUBELET, usages=usages))
        if raw:
            body["spec"]["request"] = base64.b64encode(raw).decode()
        path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        async with world.http(world.user("system:node:n", "system:nodes")) as http, http.post(path, json=body) as response:
            assert response.status == 201, await response.text()
    await certificate(world, "own")  # asked for later, and served in turn
    assert await conditions(world, "both") == []


async def test_only_who_may_approves_and_nobody_asks_for_masters(world: ApiWorld) -> None:
    rules = ["--verb=update,patch,get", "--resource=certificatesigningrequests,certificatesigningrequests/approval"]
    await world.ok("create", "clusterrole", "updater", *rules)
    await world.ok("create", "clusterrolebinding", "updater", "--clusterrole=updater", "--user=bob")
    await world.ok("apply", "-f", "-", stdin=csr("jane", "jane"))
    bob = world.user("bob")
    refused = await world.kubectl("certificate", "approve", "jane", user=bob)
    assert f'user not permitted to approve requests with signerName "{CLIENT}"' in refused.err
    rule = {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": ["kubernetes.io/*"]}
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "approver"}}
    await world.ok("apply", "-f", "-", stdin=json.dumps({**kind, "rules": [{**rule, "verbs": ["approve"]}]}))
    await world.ok("create", "clusterrolebinding", "approver", "--clusterrole=approver", "--user=bob")

    async def approved() -> None:
        assert (await world.kubectl("certificate", "approve", "jane", user=bob)).code == 0

    await eventually(approved, seconds=5)
    masters = await world.kubectl("apply", "-f", "-", stdin=csr("root", "root", "system:masters"))
    assert f"use of {CLIENT} signer with system:masters group is not allowed" in masters.err


async def test_a_certificate_for_client_auth_alone_is_good_for_tls(world: ApiWorld) -> None:
    """The request of Kubernetes' own documentation names no other usage."""
    await world.ok("apply", "-f", "-", stdin=csr("jane", "jane", "team"))
    await world.ok("certificate", "approve", "jane")
    issued = await certificate(world, "jane")
    folder = world.user("jane")
    (folder / CERTIFICATE).write_bytes(issued.public_bytes(Encoding.PEM) + key_to_pem(KEY))
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with world.http(folder) as http, http.post(path, json=review) as response:
        told = (await response.json())["status"]["userInfo"]
    assert told == {"username": "jane", "groups": ["team", "system:authenticated"]}
