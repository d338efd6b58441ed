"""A thin client for benchmarks: aiohttp with the administrator's certificate, on the host that it is given."""

import base64
import ssl
from pathlib import Path

import yaml
from aiohttp import ClientSession, TCPConnector


def connect(kubeconfig: Path, folder: Path, *, connections: int = 64) -> tuple[ClientSession, str]:
    """A session that trusts and authenticates as the kubeconfig says, and the server's URL. The caller closes it."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    certificate, key = folder / "bench.crt", folder / "bench.key"
    certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
    key.write_bytes(base64.b64decode(user["client-key-data"]))
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(certificate, key)
    session = ClientSession(connector=TCPConnector(ssl=context, limit=connections))
    return session, cluster["server"]
