"""`wherry-agent join` against an HTTPS server with the cluster's real CA and request rules: pins, tokens, keys, files."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.cli import main
from agent.join import JoinFailed, JoinRequest, join
from agent.keys import read_key
from agent.settings import load
from master.pki.authority import Authority, generate_key, key_to_pem
from master.pki.node_request import NODES_GROUP, Refused, check
from proto.sealing import public_key
from proto.signing import Signer
from proto.topics import node_user
from tests.ports import free_port

TOKEN = "abcdef.0123456789abcdef"


@dataclass
class Master:
    """The two endpoints that a joining node needs, over the master's own PKI."""

    folder: Path
    names: tuple[str, ...] = ("127.0.0.1",)
    authority: Authority = field(default_factory=lambda: Authority.generate("wherry-ca"))
    owners: dict[str, str] = field(default_factory=dict)
    signing_key: bytes = field(default_factory=Signer.generate)
    answer: dict[str, Any] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @property
    def pin(self) -> str:
        return self.authority.public_key_hash

    def request(self, node: str = "n1", **changes: Any) -> JoinRequest:
        fields: dict[str, Any] = {
            "server": self.url,
            "token": TOKEN,
            "ca_hash": self.pin,
            "node_name": node,
            "config_dir": self.folder / "etc",
            "data_dir": "/var/lib/x",
        }
        return JoinRequest(**fields | changes)

    async def ca(self, request: web.Request) -> web.Response:
        return web.Response(body=self.authority.certificate_pem)

    async def join(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"kind": "Status", "message": "Unauthorized"}, status=401)
        body = await request.json()
        self.requests.append(body)
        try:
            checked = check(body["node_name"], body["csr"].encode())
        except Refused as error:
            return web.json_response({"kind": "Status", "message": str(error)}, status=400)
        if self.owners.setdefault(checked.node, checked.fingerprint) != checked.fingerprint:
            return web.json_response({"kind": "Status", "message": "has joined with another key"}, status=409)
        certificate = self.authority.issue_client(checked.public_key, node_user(checked.node), [NODES_GROUP])
        answer = {
            "certificate": certificate.public_bytes(Encoding.PEM).decode(),
            "ca": self.authority.certificate_pem.decode(),
            "cluster_id": "c1",
            "broker": {"host": "127.0.0.1", "port": 8883},
            "signing_key": base64.b64encode(Signer(self.signing_key).public_key).decode(),
            "cluster_domain": "cluster.local",
        }
        return web.json_response(answer | self.answer)


@asynccontextmanager
async def serving(master: Master) -> AsyncIterator[Master]:
    key = generate_key()
    certificate = master.authority.issue_server(key, "wherry", master.names)
    pair = master.folder / "server.pem"
    pair.write_bytes(key_to_pem(key) + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(pair))
    application = web.Application()
    application.add_routes([web.get("/wherry/v1/ca", master.ca), web.post("/wherry/v1/join", master.join)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    master.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield master
    finally:
        await runner.cleanup()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_joining_writes_settings_that_load_and_keys_for_the_owner_only(tmp_path: Path) -> None:
    async with serving(Master(tmp_path)) as master:
        config = await join(master.request(node="node-1.example.org"))
    settings = load(config)
    assert (settings.node_name, settings.cluster, settings.broker.port) == ("node-1.example.org", "c1", 8883)
    certificate = x509.load_pem_x509_certificate((tmp_path / "etc" / "node.crt").read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=system:node:node-1.example.org,O=system:nodes"
    ssl.create_default_context(cafile=settings.ca).load_cert_chain(settings.certificate, settings.key)
    assert read_key(Path(settings.signing_key)) == Signer(master.signing_key).public_key
    sent = base64.b64decode(master.requests[0]["sealing_key"])
    assert sent == public_key(read_key(Path(settings.sealing_key)))
    for name in ("node.key", "sealing.key", "config.yaml"):
        assert (tmp_path / "etc" / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "etc").stat().st_mode & 0o777 == 0o700
    assert not [name for name in files(tmp_path / "etc") if name.endswith(".tmp")]


async def test_joining_again_keeps_keys_and_what_a_person_set(tmp_path: Path) -> None:
    async with serving(Master(tmp_path)) as master:
        config = await join(master.request())
        before = files(tmp_path / "etc")
        config.write_text(config.read_text() + "proxy_mode: userspace\n")
        await join(master.request())
    after = files(tmp_path / "etc")
    assert (after["node.key"], after["sealing.key"]) == (before["node.key"], before["sealing.key"])
    assert yaml.safe_load(after["config.yaml"])["proxy_mode"] == "userspace"


async def test_a_wrong_pin_sends_neither_token_nor_request(tmp_path: Path) -> None:
    async with serving(Master(tmp_path)) as master:
        other = Authority.generate("other").public_key_hash
        with pytest.raises(JoinFailed, match="ca-hash"):
            await join(master.request(ca_hash=other))
        assert master.requests == []
    assert not (tmp_path / "etc" / "config.yaml").exists()


async def test_a_server_that_is_not_in_its_certificate_gets_no_token(tmp_path: Path) -> None:
    async with serving(Master(tmp_path, names=("192.0.2.7",))) as master:
        with pytest.raises(JoinFailed, match="certificate is not good for this address"):
            await join(master.request())
        assert master.requests == []


async def test_an_expired_token_and_a_taken_name_are_said(tmp_path: Path) -> None:
    async with serving(Master(tmp_path)) as master:
        with pytest.raises(JoinFailed, match="expired"):
            await join(master.request(token="zzzzzz.0123456789abcdef"))
        await join(master.request())
        with pytest.raises(JoinFailed, match="another key"):
            await join(master.request(config_dir=tmp_path / "other"))
    assert not (tmp_path / "other" / "config.yaml").exists()


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ({"signing_key": "AAAA"}, "signing key"),
        ({"signing_key": "!"}, "cannot be used"),
        ({"certificate": "junk"}, "cannot be used"),
        ({"broker": "x"}, "does not understand"),
        ({"cluster_id": "a/#"}, "not valid"),
    ],
)
async def test_an_answer_that_cannot_be_used_leaves_no_settings(tmp_path: Path, answer: dict[str, Any], match: str) -> None:
    async with serving(Master(tmp_path, answer=answer)) as master:
        with pytest.raises(JoinFailed, match=match):
            await join(master.request())
    assert not (tmp_path / "etc" / "config.yaml").exists()
    assert not (tmp_path / "etc" / "node.crt").exists()


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    key = generate_key()
    foreign = Authority.generate("foreign").issue_client(key.public_key(), node_user("n1"), [NODES_GROUP])
    answer = {"certificate": foreign.public_bytes(Encoding.PEM).decode()}
    async with serving(Master(tmp_path, answer=answer)) as master:
        with pytest.raises(JoinFailed, match="cannot be used"):
            await join(master.request())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"server": "http://127.0.0.1:1"}, "https"),
        ({"server": "https://"}, "https"),
        ({"server": "https://h:1/path"}, "https"),
        ({"token": "short"}, "token"),
        ({"ca_hash": "sha256:xyz"}, "ca-hash"),
        ({"node_name": "Upper_Case"}, "Upper_Case"),
        ({"data_dir": "relative"}, "relative"),
    ],
)
async def test_a_wrong_argument_is_named_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], match: str
) -> None:
    master = Master(tmp_path, url="https://127.0.0.1:1")
    with pytest.raises(JoinFailed, match=match):
        await join(master.request(**changes))
    assert not (tmp_path / "etc").exists()


async def test_an_unreachable_server_is_said(tmp_path: Path) -> None:
    master = Master(tmp_path, url=f"https://127.0.0.1:{free_port()}")
    with pytest.raises(JoinFailed, match="cannot be reached: Connection refused"):
        await join(master.request())


def test_the_command_says_in_one_line_why_it_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["join", "--server", f"https://127.0.0.1:{free_port()}", "--token", TOKEN, "--ca-hash", "sha256:" + "0" * 64]
    assert main([*arguments, "--node-name", "n1", "--config-dir", str(tmp_path / "etc")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("wherry-agent: cannot join: https://127.0.0.1")
    assert said.count("\n") == 1


async def test_a_key_file_that_holds_no_key_is_kept_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    await asyncio.to_thread(folder.mkdir)
    (folder / "node.key").write_text("precious")
    master = Master(tmp_path, url="https://127.0.0.1:1")
    with pytest.raises(JoinFailed, match=r"node\.key"):
        await join(master.request())
    assert (folder / "node.key").read_text() == "precious"
