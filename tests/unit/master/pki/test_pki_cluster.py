import stat
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from master.pki import cluster
from master.pki.authority import fingerprint
from master.pki.files import PkiError
from master.pki.service_account.keys import InvalidToken

_NAMES = ["localhost", "127.0.0.1", "::1", "kubernetes.default.svc"]


def _prepare(folder: Path, names: list[str] = _NAMES) -> tuple[cluster.ClusterPki, list[str]]:
    return cluster.prepare(folder, server_names=names, broker_names=names)


def test_a_second_preparation_writes_nothing(tmp_path: Path) -> None:
    first, written = _prepare(tmp_path / "pki")
    assert {"ca.key", "ca.crt", "server.crt", "admin.key", "signing.key", "service-account.key"} <= set(written)
    before = {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()}
    second, again = _prepare(tmp_path / "pki")
    assert again == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()} == before
    assert (second.cluster_id, second.signing_key) == (first.cluster_id, first.signing_key)


def test_a_new_name_renews_the_server_certificate_but_not_its_key(tmp_path: Path) -> None:
    pki, _ = _prepare(tmp_path)
    key = pki.server.key.read_bytes()
    _, written = _prepare(tmp_path, [*_NAMES, "master.example"])
    assert sorted(written) == ["broker-server.crt", "server.crt"]
    assert pki.server.key.read_bytes() == key
    names = x509.load_pem_x509_certificate(pki.server.certificate.read_bytes()).extensions
    sans = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "master.example" in sans.get_values_for_type(x509.DNSName)


def test_what_is_missing_is_added_and_the_rest_kept(tmp_path: Path) -> None:
    pki, _ = _prepare(tmp_path)
    ca = pki.ca_path.read_bytes()
    pki.admin.certificate.unlink()
    _, written = _prepare(tmp_path)
    assert written == ["admin.crt"]
    assert pki.ca_path.read_bytes() == ca


def test_private_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    _prepare(tmp_path / "pki")
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    for path in (tmp_path / "pki").glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_half_a_ca_is_an_error_that_names_the_missing_half(tmp_path: Path) -> None:
    _prepare(tmp_path)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(PkiError, match=r"ca\.key is missing"):
        _prepare(tmp_path)


def test_loading_before_init_tells_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(PkiError, match="wherry-master init"):
        cluster.load(tmp_path)


def test_a_broken_key_is_named(tmp_path: Path) -> None:
    pki, _ = _prepare(tmp_path)
    pki.server.key.write_bytes(b"-----BEGIN NOTHING-----")
    with pytest.raises(PkiError, match=r"server\.key"):
        cluster.load(tmp_path)


def test_the_admin_certificate_and_kubeconfig_carry_kubernetes_names(tmp_path: Path) -> None:
    pki, _ = _prepare(tmp_path)
    certificate = x509.load_pem_x509_certificate(pki.admin.certificate.read_bytes())
    subject = certificate.subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "kubernetes-admin"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:masters"
    document = yaml.safe_load(pki.kubeconfig("https://192.0.2.1:6443"))
    assert document["clusters"][0]["cluster"]["server"] == "https://192.0.2.1:6443"
    assert document["current-context"] == "kubernetes-admin@wherry"


def test_the_ca_hash_is_kubeadms(tmp_path: Path) -> None:
    pki, _ = _prepare(tmp_path)
    key = x509.load_pem_x509_certificate(pki.ca_path.read_bytes()).public_key()
    assert pki.authority.public_key_hash == "sha256:" + fingerprint(key)
    assert len(pki.authority.public_key_hash) == len("sha256:") + 64


def test_a_deleted_service_account_key_is_made_anew_and_the_former_one_s_tokens_stay_good(tmp_path: Path) -> None:
    pki, _ = _prepare(tmp_path)
    token = pki.service_account_keys.sign({"iss": "x"})
    (tmp_path / "service-account.key").unlink()
    renewed, written = _prepare(tmp_path)
    former = [name for name in written if name.startswith("service-account-")]
    assert written == ["service-account.key", *former, "service-account.pub"]
    assert renewed.service_account_keys.verify(token) == {"iss": "x"}
    assert _prepare(tmp_path)[1] == []
    (tmp_path / former[0]).unlink()
    with pytest.raises(InvalidToken):
        cluster.load(tmp_path).service_account_keys.verify(token)
